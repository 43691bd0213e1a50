//! The rows so far, on disk: what a run that is stopped leaves behind, and the next one goes on from.
//!
//! A folder beside the output holds three files. `recipe.json` says what is computed. `values.f32` has the numbers of each
//! picture that could be read, one after another. `pictures.jsonl` has a line a picture: `null`, or why it could not be
//! read. Numbers reach the disk before their line does, so a line stands for numbers that are there, whenever the power
//! goes.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Computed, Recipe};
use crate::lock;

/// How much work a power cut may cost.
const KEPT_EVERY: Duration = Duration::from_secs(1);
/// How many bytes of numbers wait for the disk at most.
const WAITING_BYTES: usize = 1 << 20;

/// What to do with the rows of a run that stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave them and fail.
    Refuse,
    /// Go on from them, if they are of the same recipe.
    Resume,
    /// Throw them away.
    Discard,
}

/// The rows of the first pictures of a run.
#[derive(Debug)]
pub struct Part {
    folder: PathBuf,
    recipe: Recipe,
    values: File,
    pictures: File,
    /// For each picture so far, why it could not be read, if it could not.
    broken: Vec<Option<String>>,
    values_waiting: Vec<u8>,
    lines_waiting: String,
    kept_at: Option<Instant>,
}

impl Part {
    /// The part of the output at `output`: a new one, or the one that a stopped run left.
    pub fn open(output: &Path, recipe: &Recipe, existing: Existing) -> Result<Self> {
        let folder = folder(output);
        if existing == Existing::Refuse {
            Self::check_absent(output)?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
        let pictures = open(&folder.join("pictures.jsonl"))?;
        if lock::is_taken(&pictures) {
            bail!("another run is writing {}; wait for it, or name another output", folder.display());
        }
        let mut part = Self {
            values: open(&folder.join("values.f32"))?,
            pictures,
            folder,
            recipe: recipe.clone(),
            broken: Vec::new(),
            values_waiting: Vec::new(),
            lines_waiting: String::new(),
            kept_at: None,
        };
        part.go_on(existing)?;
        Ok(part)
    }

    /// Refuses if a run that stopped has left a part for this output.
    pub fn check_absent(output: &Path) -> Result<()> {
        if Self::is_there(output) {
            bail!(
                "{} holds the rows of a run that stopped; go on with --resume, or begin anew with --force",
                folder(output).display()
            );
        }
        Ok(())
    }

    /// Whether a run that stopped has left a part for this output.
    pub fn is_there(output: &Path) -> bool {
        folder(output).join("recipe.json").exists()
    }

    /// How many pictures are done, broken ones too.
    pub fn done(&self) -> usize {
        self.broken.len()
    }

    /// How many pictures have rows.
    pub fn whole(&self) -> usize {
        self.broken.iter().filter(|reason| reason.is_none()).count()
    }

    /// For each picture so far, why it could not be read, if it could not.
    pub fn broken(&self) -> &[Option<String>] {
        &self.broken
    }

    /// What is computed.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds the next picture.
    pub fn add(&mut self, computed: Computed) -> Result<()> {
        let broken = match computed {
            Computed::Broken(reason) => Some(reason),
            Computed::Rows(values) => {
                self.values_waiting.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                None
            }
        };
        self.lines_waiting += &serde_json::to_string(&broken)?;
        self.lines_waiting.push('\n');
        self.broken.push(broken);
        let is_time = self.kept_at.is_none_or(|at| at.elapsed() >= KEPT_EVERY);
        if is_time || self.values_waiting.len() >= WAITING_BYTES {
            self.keep()?;
        }
        Ok(())
    }

    /// Puts on the disk what waits for it.
    pub fn keep(&mut self) -> Result<()> {
        let mut write = || {
            self.values.write_all(&self.values_waiting)?;
            self.values.sync_data()?;
            self.pictures.write_all(self.lines_waiting.as_bytes())?;
            self.pictures.sync_data()
        };
        write()
            .with_context(|| format!("writing {}: make room there and go on with --resume", self.folder.display()))?;
        self.values_waiting.clear();
        self.lines_waiting.clear();
        self.kept_at = Some(Instant::now());
        Ok(())
    }

    /// Calls `each` with the values of every picture that has some, in order, and its number in the list.
    pub fn for_each_row(&mut self, mut each: impl FnMut(usize, &[f32]) -> Result<()>) -> Result<()> {
        self.keep()?;
        let reading = || format!("reading {}", self.folder.join("values.f32").display());
        self.values.seek(SeekFrom::Start(0)).with_context(reading)?;
        let mut file = BufReader::with_capacity(WAITING_BYTES, &self.values);
        let mut bytes = vec![0; self.recipe.values() * size_of::<f32>()];
        let mut values = vec![0.0; self.recipe.values()];
        for (number, _) in self.broken.iter().enumerate().filter(|(_, reason)| reason.is_none()) {
            file.read_exact(&mut bytes).with_context(reading)?;
            for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                *value = f32::from_le_bytes(*bytes);
            }
            each(number, &values)?;
        }
        Ok(())
    }

    /// Removes the folder.
    pub fn remove(self) -> Result<()> {
        let Self { folder, .. } = self;
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
    }

    /// Takes up what is there, or begins anew.
    fn go_on(&mut self, existing: Existing) -> Result<()> {
        let path = self.folder.join("recipe.json");
        let reading = || format!("reading {}", path.display());
        // Without a recipe, a run stopped before its first row.
        if existing == Existing::Resume && path.exists() {
            let was: Recipe = serde_json::from_slice(&fs::read(&path).with_context(reading)?).with_context(|| {
                format!("{} is not of this program's making; begin anew with --force", path.display())
            })?;
            if let Some(difference) = was.difference(&self.recipe) {
                bail!(
                    "the run in {} cannot be resumed: {difference}; say the same as then, or begin anew with --force",
                    self.folder.display()
                );
            }
            self.broken = self.lines_with_values().with_context(reading)?;
        } else {
            let _ = fs::remove_file(&path);
        }
        self.cut().with_context(|| format!("cutting what is half written in {}", self.folder.display()))?;
        if !path.exists() {
            let new = self.folder.join("recipe.json.new");
            let writing = || format!("writing {}", path.display());
            let mut file = File::create(&new).with_context(writing)?;
            file.write_all(serde_json::to_string_pretty(&self.recipe)?.as_bytes()).with_context(writing)?;
            // whoever goes on reads what has this name, so that it is whole even where the power goes
            file.sync_all().with_context(writing)?;
            fs::rename(&new, &path).with_context(writing)?;
        }
        Ok(())
    }

    /// The pictures whose line is whole and whose numbers are there.
    fn lines_with_values(&mut self) -> std::io::Result<Vec<Option<String>>> {
        let mut text = Vec::new();
        self.pictures.seek(SeekFrom::Start(0))?;
        self.pictures.read_to_end(&mut text)?;
        let mut rows_left = self.values.metadata()?.len() / self.picture_bytes();
        let mut lines = Vec::new();
        for line in text.split_inclusive(|byte| *byte == b'\n').take(self.recipe.pictures) {
            let Ok(broken) = serde_json::from_slice::<Option<String>>(line) else { break };
            let has_values = broken.is_none();
            if !line.ends_with(b"\n") || (has_values && rows_left == 0) {
                break;
            }
            rows_left -= u64::from(has_values);
            lines.push(broken);
        }
        Ok(lines)
    }

    /// Leaves in both files what belongs to the pictures that are done, and nothing else.
    fn cut(&mut self) -> std::io::Result<()> {
        let lines = self.broken.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        let lines_bytes = lines.iter().map(|line| line.len() as u64 + 1).sum();
        self.pictures.set_len(lines_bytes)?;
        self.pictures.seek(SeekFrom::End(0))?;
        self.values.set_len(self.whole() as u64 * self.picture_bytes())?;
        self.values.seek(SeekFrom::End(0))?;
        Ok(())
    }

    fn picture_bytes(&self) -> u64 {
        (self.recipe.values() * size_of::<f32>()) as u64
    }
}

/// Where the part of an output lies.
fn folder(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    output.with_file_name(name)
}

fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.with_context(|| format!("opening {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::Keep;
    use super::super::recipe::tests::recipe;
    use super::*;

    fn rows(part: &mut Part) -> Vec<(usize, Vec<f32>)> {
        let mut rows = Vec::new();
        part.for_each_row(|number, values| {
            rows.push((number, values.to_vec()));
            Ok(())
        })
        .unwrap();
        rows
    }

    /// Three pictures of two numbers each, the second one broken; stopped before the folder is removed.
    fn three_pictures(output: &Path) {
        let mut part = Part::open(output, &recipe(Keep::Cls, 16), Existing::Refuse).unwrap();
        part.add(Computed::Rows(vec![1.0, 2.0])).unwrap();
        part.add(Computed::Broken("b.png is \"broken\"\n".to_owned())).unwrap();
        part.add(Computed::Rows(vec![3.0, 4.0])).unwrap();
        part.keep().unwrap();
    }

    #[test]
    fn what_is_half_written_is_done_again_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("a.npy");
        for (file, bytes_cut, done) in [
            ("pictures.jsonl", 0, 3),
            ("pictures.jsonl", 1, 2),
            ("pictures.jsonl", 6, 1),
            ("values.f32", 1, 2),
            ("values.f32", 9, 0),
        ] {
            three_pictures(&output);
            let path = folder(&output).join(file);
            let whole = fs::read(&path).unwrap();
            fs::write(&path, &whole[..whole.len() - bytes_cut]).unwrap();
            let mut part = Part::open(&output, &recipe(Keep::Cls, 16), Existing::Resume).unwrap();
            assert_eq!(part.done(), done, "{file} without its last {bytes_cut} bytes");
            for computed in [
                Computed::Rows(vec![1.0, 2.0]),
                Computed::Broken("b.png is \"broken\"\n".to_owned()),
                Computed::Rows(vec![3.0, 4.0]),
            ]
            .into_iter()
            .skip(done)
            {
                part.add(computed).unwrap();
            }
            assert_eq!(rows(&mut part), [(0, vec![1.0, 2.0]), (2, vec![3.0, 4.0])]);
            assert_eq!((part.done(), part.whole()), (3, 2));
            part.remove().unwrap();
            assert!(!folder(&output).exists());
        }
    }

    #[test]
    fn a_stopped_run_is_not_lost_by_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("a.npy");
        three_pictures(&output);
        let refusal = |recipe: &Recipe, existing| Part::open(&output, recipe, existing).unwrap_err().to_string();
        let same = recipe(Keep::Cls, 16);
        assert!(refusal(&same, Existing::Refuse).contains("--resume"));
        assert!(refusal(&recipe(Keep::Mean, 16), Existing::Resume).contains("`pool`"));
        assert!(refusal(&Recipe { seed: 1, ..same.clone() }, Existing::Resume).contains("`seed` was 7 and is 1"));
        assert_eq!(Part::open(&output, &same, Existing::Resume).unwrap().done(), 3);
        assert_eq!(Part::open(&output, &recipe(Keep::Mean, 16), Existing::Discard).unwrap().done(), 0);
    }

    #[test]
    fn two_runs_do_not_write_one_part() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("a.npy");
        let first = Part::open(&output, &recipe(Keep::Cls, 16), Existing::Refuse).unwrap();
        let error = Part::open(&output, &recipe(Keep::Cls, 16), Existing::Resume).unwrap_err();
        assert!(error.to_string().contains("another run"), "{error}");
        drop(first);
        assert!(Part::open(&output, &recipe(Keep::Cls, 16), Existing::Resume).is_ok());
    }
}
