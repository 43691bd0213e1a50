//! Both files of a matrix, the numbers and the lines that say what they are of: their names, and what a run that was killed
//! left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::file::{aside, check_left_over, free, free_where};
use crate::features::npy::{companion, header, shape_in};

/// The bytes of a matrix of so many frames, its header among them.
pub fn bytes(frames: u64, shape: &[usize]) -> u64 {
    header(&whole(frames, shape)).len() as u64 + frames * (shape.iter().product::<usize>() * size_of::<f32>()) as u64
}

fn whole(frames: u64, shape: &[usize]) -> Vec<usize> {
    [&[frames as usize], shape].concat()
}

/// Writes a header for so many frames, which is as long for any number of them.
pub fn set_frames(matrix: &mut File, frames: u64, shape: &[usize]) -> io::Result<()> {
    matrix.seek(SeekFrom::Start(0))?;
    matrix.write_all(&header(&whole(frames, shape)))
}

/// The matrix's name with the first number that is free for both.
pub fn free_for_both(path: &Path) -> PathBuf {
    free_where(path, |path| !path.exists() && !companion(path).exists())
}

/// Gives both files their names: the matrix last, so that where it is, both are.
///
/// # Errors
/// When that cannot be: they have the names that they had.
pub fn name(from: &Path, to: &Path) -> io::Result<()> {
    let lines = aside(&companion(from));
    fs::rename(&lines, companion(to))?;
    fs::rename(aside(from), to).inspect_err(|_| {
        // so that the next try, or the next run, finds both together
        let _ = fs::rename(companion(to), &lines);
    })
}

/// Gives what a run that was killed left names of its own: as many rows as both files have.
///
/// # Errors
/// When that cannot be, another run writes there, or it is nothing that a run would leave.
pub fn save_left_over(path: &Path) -> Result<()> {
    let aside_path = aside(path);
    let saving = || format!("saving what an earlier run left in {}", aside_path.display());
    let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
    let mut matrix = match open(&aside_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        left => left.with_context(saving)?,
    };
    check_left_over(&matrix, path)?;
    let mut text = vec![0; header(&[0]).len()];
    let left_bytes = matrix.metadata().with_context(saving)?.len();
    if left_bytes < text.len() as u64 {
        // it was stopped, or found no space, before there was a row
        return remove(path).with_context(saving);
    }
    matrix.read_exact(&mut text).with_context(saving)?;
    let shape = shape_in(&text);
    let Some((&ended, shape)) = shape.as_deref().and_then(|shape| shape.split_first()) else {
        bail!("{} is not what an earlier run would leave; move it away", aside_path.display());
    };
    let to = match open(&aside(&companion(path))) {
        // the lines have their name already
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let to = half_named(path, ended as u64).unwrap_or_else(|| free_for_both(path));
            fs::rename(&aside_path, &to).with_context(saving)?;
            to
        }
        rows => {
            let rows = rows.with_context(saving)?;
            let row_bytes = (bytes(1, shape) - bytes(0, shape)).max(1);
            let in_matrix = left_bytes.saturating_sub(bytes(0, shape)) / row_bytes;
            let (frames, line_bytes) = lines(&rows, in_matrix).with_context(saving)?;
            matrix.set_len(bytes(frames, shape)).with_context(saving)?;
            rows.set_len(line_bytes).with_context(saving)?;
            set_frames(&mut matrix, frames, shape).with_context(saving)?;
            let to = free_for_both(path);
            name(path, &to).with_context(saving)?;
            to
        }
    };
    log::warn!("an earlier run was stopped while it wrote {}: what it wrote is in {}", path.display(), to.display());
    Ok(())
}

/// Removes both files: the matrix last, which is what is looked for.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(aside(&companion(path))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::remove_file(aside(path)),
    }
}

/// The name that a matrix of so many frames was to have, where its lines have theirs and it has not: with a number, or the one
/// without.
fn half_named(path: &Path, frames: u64) -> Option<PathBuf> {
    let has_its_lines = |to: &PathBuf| {
        let counted = File::open(companion(to)).and_then(|rows| lines(&rows, frames + 1));
        counted.is_ok_and(|(count, _)| count == frames)
    };
    [free(path), path.to_owned()].into_iter().find(has_its_lines)
}

/// Whole lines, up to so many of them: how many, and their bytes.
fn lines(rows: &File, most: u64) -> io::Result<(u64, u64)> {
    let (mut count, mut bytes, mut line) = (0, 0, Vec::new());
    let mut rows = BufReader::new(rows);
    while count < most && rows.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        (count, bytes) = (count + 1, bytes + line.len() as u64);
        line.clear();
    }
    Ok((count, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 1] = [5];

    fn matrix(frames: u64) -> Vec<u8> {
        let mut matrix = header(&whole(frames, &SHAPE));
        matrix.resize(bytes(frames, &SHAPE) as usize, 7);
        matrix
    }

    fn text(lines: usize) -> String {
        "line\n".repeat(lines)
    }

    #[test]
    fn what_was_left_before_there_was_a_header_is_nothing() {
        for (left, lines) in [(0, None), (0, Some(2)), (127, Some(0)), (127, None)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.npy");
            fs::write(aside(&path), &matrix(0)[..left]).unwrap();
            if let Some(lines) = lines {
                fs::write(aside(&companion(&path)), text(lines)).unwrap();
            }
            save_left_over(&path).unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{left} {lines:?}");
        }
    }

    #[test]
    fn a_run_that_died_between_its_names_is_finished() {
        // a number, as of a file that was rotated, or none, and then an older matrix may be there
        for (to, is_older_there) in [("a.1.npy", false), ("a.npy", false), ("a.npy", true)] {
            let folder = tempfile::tempdir().unwrap();
            let (path, to) = (folder.path().join("a.npy"), folder.path().join(to));
            if is_older_there {
                fs::write(&path, matrix(9)).unwrap();
            }
            fs::write(aside(&path), matrix(3)).unwrap();
            fs::write(companion(&to), text(3)).unwrap();
            save_left_over(&path).unwrap();
            assert_eq!(fs::read(&to).unwrap(), matrix(3), "{}", to.display());
            assert_eq!(fs::read_to_string(companion(&to)).unwrap(), text(3));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn lines_of_another_matrix_stay_its_own() {
        // somebody took a.1.npy away
        for is_half_named in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.npy");
            fs::write(folder.path().join("a.1.npy.rows.jsonl"), text(8)).unwrap();
            fs::write(aside(&path), matrix(3)).unwrap();
            if !is_half_named {
                fs::write(aside(&companion(&path)), text(3)).unwrap();
            }
            save_left_over(&path).unwrap();
            assert_eq!(fs::read_to_string(folder.path().join("a.1.npy.rows.jsonl")).unwrap(), text(8));
            assert_eq!(fs::read(folder.path().join("a.2.npy")).unwrap(), matrix(3));
            assert_eq!(folder.path().join("a.2.npy.rows.jsonl").exists(), !is_half_named);
        }
    }

    #[test]
    fn a_name_that_cannot_be_given_leaves_both_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        fs::write(aside(&path), matrix(3)).unwrap();
        fs::write(aside(&companion(&path)), text(3)).unwrap();
        // a file does not take the place of a folder
        fs::create_dir(&path).unwrap();
        name(&path, &path).unwrap_err();
        assert!(aside(&path).exists() && aside(&companion(&path)).exists() && !companion(&path).exists());
    }
}
