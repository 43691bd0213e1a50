//! Which pictures are painted, and where each goes.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::picture::{Format, UNFINISHED, list};

/// One picture to paint.
#[derive(Debug, Clone)]
pub struct Job {
    pub input: PathBuf,
    /// Whether a folder was named, and not the picture.
    pub is_of_folder: bool,
    pub output: PathBuf,
    pub format: Format,
    /// The picture's own mask, where masks come from a file or a folder.
    pub mask: Option<PathBuf>,
}

/// All pictures to paint, in a fixed order.
#[derive(Debug)]
pub struct Plan {
    pub jobs: Vec<Job>,
    /// Those that were painted before.
    pub done: usize,
}

/// What to do about outputs that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Refuse,
    Replace,
    /// They were painted by a run that was stopped: an output that is there is whole.
    Keep,
}

impl Plan {
    /// Resolves inputs, output and masks. Folders are walked in name order, and their trees kept.
    pub fn new(inputs: &[PathBuf], output: &Path, mask: Option<&Path>, existing: Existing) -> Result<Self> {
        let masks = mask.map(Masks::new).transpose()?;
        let to_folder = inputs.len() > 1
            || inputs.iter().any(|input| input.is_dir())
            || output.is_dir()
            || output.as_os_str().to_string_lossy().ends_with(std::path::MAIN_SEPARATOR);
        let mut jobs = Vec::new();
        for input in inputs {
            for (file, relative) in unpainted(input, output)? {
                let output = if to_folder { output.join(&relative) } else { output.to_owned() };
                let format = Format::from_path(&output)?;
                let mask = masks.as_ref().map(|masks| masks.of(&file, &relative)).transpose()?;
                jobs.push(Job { input: file, is_of_folder: input.is_dir(), output, format, mask });
            }
        }
        let mut plan = Self { jobs, done: 0 };
        plan.check_outputs(output, to_folder, existing)?;
        if existing == Existing::Keep {
            let all = plan.jobs.len();
            plan.jobs.retain(|job| !job.output.exists());
            plan.done = all - plan.jobs.len();
        }
        Ok(plan)
    }

    /// Removes what a run that was stopped left beside the outputs: pictures that it was writing.
    pub fn clean(&self) -> Result<()> {
        let folders: BTreeSet<&Path> = self.jobs.iter().filter_map(|job| job.output.parent()).collect();
        for entry in folders.into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && entry.path().is_file() {
                std::fs::remove_file(entry.path()).with_context(|| format!("removing {}", entry.path().display()))?;
            }
        }
        Ok(())
    }

    /// Makes the folders that outputs go to.
    pub fn make_folders(&self) -> Result<()> {
        for folder in self.jobs.iter().filter_map(|job| job.output.parent()) {
            std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
        }
        Ok(())
    }

    fn check_outputs(&self, output: &Path, to_folder: bool, existing: Existing) -> Result<()> {
        if to_folder && output.exists() && !output.is_dir() {
            bail!("{} is a file; several pictures go to a folder, so give one with -o", output.display());
        }
        let mut seen: HashMap<&Path, &Path> = HashMap::new();
        for Job { input, output, .. } in &self.jobs {
            if let Some(other) = seen.insert(output, input) {
                bail!(
                    "{} and {} would both become {}; paint them into two folders",
                    other.display(),
                    input.display(),
                    output.display()
                );
            }
            if output.is_dir() {
                bail!("{} is a folder; name a file with -o", output.display());
            }
            if output.exists() && existing == Existing::Refuse {
                bail!(
                    "{} exists already; name another output, replace it with --force, or keep it with --resume",
                    output.display()
                );
            }
        }
        Ok(())
    }
}

/// The pictures at a path, without those of an output folder that lies below it: they are no originals, but what an earlier run
/// made of them. A folder that is its own output, or lies in it, is painted whole.
fn unpainted(input: &Path, output: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = list(input)?;
    let (Ok(painted), Ok(whole)) = (output.canonicalize(), input.canonicalize()) else { return Ok(found) };
    if !whole.is_dir() || !painted.is_dir() || whole.starts_with(&painted) {
        return Ok(found);
    }
    found.retain(|(file, _)| {
        // links to folders are followed, and a link to a picture lies where the link does
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        !folder.is_some_and(|folder| folder.starts_with(&painted))
    });
    if found.is_empty() {
        bail!(
            "{} holds no picture but those in {}, which earlier runs painted; name a folder with pictures, or another output with -o",
            input.display(),
            output.display()
        );
    }
    Ok(found)
}

/// Where masks come from.
enum Masks {
    /// One mask for all pictures.
    One(PathBuf),
    /// A folder: each picture's mask has its name, whatever the ending, at the same place below the folder.
    Folder { folder: PathBuf, by_stem: HashMap<PathBuf, PathBuf> },
}

impl Masks {
    fn new(path: &Path) -> Result<Self> {
        if !path.exists() {
            bail!("there is no mask {}; check the path", path.display());
        }
        if !path.is_dir() {
            return Ok(Self::One(path.to_owned()));
        }
        let mut by_stem = HashMap::new();
        for (file, relative) in list(path)? {
            if let Some(other) = by_stem.insert(relative.with_extension(""), file.clone()) {
                bail!("{} and {} are masks of one name; keep one", other.display(), file.display());
            }
        }
        Ok(Self::Folder { folder: path.to_owned(), by_stem })
    }

    fn of(&self, picture: &Path, relative: &Path) -> Result<PathBuf> {
        match self {
            Self::One(path) => Ok(path.clone()),
            Self::Folder { folder, by_stem } => by_stem.get(&relative.with_extension("")).cloned().with_context(|| {
                format!(
                    "{} has no mask: {} should hold a picture called {}, such as {}.png",
                    picture.display(),
                    folder.display(),
                    relative.with_extension("").display(),
                    relative.with_extension("").display()
                )
            }),
        }
    }
}
