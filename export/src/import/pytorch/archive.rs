//! A zip archive as `torch.save` writes it: its files are stored, not compressed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// The record at the end, without its comment; it is looked for in this many last bytes.
const END_BYTES: usize = 22;
const END_SEARCH_BYTES: u64 = 22 + 0xffff;
const END: [u8; 4] = *b"PK\x05\x06";
const END_64_LOCATOR: [u8; 4] = *b"PK\x06\x07";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LISTED: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LISTED_BYTES: usize = 46;
const LOCAL_BYTES: u64 = 30;
/// What stands in a field of 32 bits whose number needs 64.
const ELSEWHERE: u64 = 0xffff_ffff;
/// The extra field with these numbers.
const EXTRA_64: u64 = 1;
/// The most bytes of the list of files.
const MAX_LIST_BYTES: u64 = 64 << 20;

/// Where the files of an archive lie.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    /// By name, without the folder that all of them are in: the place of the local header, and the size.
    files: BTreeMap<String, (u64, u64)>,
}

impl Archive {
    /// Reads the list at the end of the archive.
    ///
    /// # Errors
    /// When there is none, as in a file that is cut short or was written before PyTorch 1.6, or a file is compressed.
    ///
    /// # Source
    /// <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, sections 4.3 and 4.5.3.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        let tail_start = file_bytes.saturating_sub(END_SEARCH_BYTES);
        let tail = part(&mut file, tail_start, file_bytes - tail_start)?;
        let at = tail.windows(END_BYTES).rposition(|window| window.starts_with(&END)).context(
            "it is no file that can be read: a safetensors file, or one of torch.save since PyTorch 1.6; one from before then \
             is to be loaded and saved anew, one that is cut short to be fetched again",
        )?;
        let (mut bytes, mut start) = (number(&tail, at + 12, 4)?, number(&tail, at + 16, 4)?);
        if let Some(locator) = at.checked_sub(20).filter(|&locator| tail[locator..].starts_with(&END_64_LOCATOR)) {
            let end = part(&mut file, number(&tail, locator + 8, 8)?, 56)?;
            ensure!(end.starts_with(&END_64), "its archive's end is damaged: fetch it again");
            (bytes, start) = (number(&end, 40, 8)?, number(&end, 48, 8)?);
        }
        ensure!(bytes <= MAX_LIST_BYTES, "its archive's list of files is too long to be one");
        let list = part(&mut file, start, bytes)?;
        let mut files = BTreeMap::new();
        let mut at = 0;
        while at < list.len() {
            at = enter(&list, at, &mut files).context("its archive's list of files is damaged: fetch it again")?;
        }
        Ok(Self { path: path.to_owned(), files })
    }

    /// Whether there is a file of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The place and the size of a file's contents.
    ///
    /// # Errors
    /// When there is no such file, or it does not lie within the archive.
    pub fn find(&self, name: &str) -> anyhow::Result<(u64, u64)> {
        let &(local, bytes) = self.files.get(name).with_context(|| {
            format!("its archive has no {name}, as each of torch.save has: it is another program's, or damaged")
        })?;
        let mut file = File::open(&self.path)?;
        let header = part(&mut file, local, LOCAL_BYTES)?;
        ensure!(header.starts_with(&LOCAL), "its archive's {name} is damaged: fetch it again");
        // The local header has lengths of its own.
        let start = local + LOCAL_BYTES + number(&header, 26, 2)? + number(&header, 28, 2)?;
        ensure!(
            start.saturating_add(bytes) <= file.metadata()?.len(),
            "its archive ends before its {name}: fetch it again"
        );
        Ok((start, bytes))
    }

    /// The contents of a file of at most `most` bytes.
    ///
    /// # Errors
    /// As [`Archive::find`], and when it is longer.
    pub fn read(&self, name: &str, most: u64) -> anyhow::Result<Vec<u8>> {
        let (start, bytes) = self.find(name)?;
        ensure!(bytes <= most, "its archive's {name} has {bytes} bytes, too many for what it holds");
        part(&mut File::open(&self.path)?, start, bytes)
    }
}

/// Enters the file that the list has at `at`; the place of the next.
fn enter(list: &[u8], at: usize, files: &mut BTreeMap<String, (u64, u64)>) -> anyhow::Result<usize> {
    ensure!(list[at..].starts_with(&LISTED), "no entry where one should be");
    let field = |offset: usize, size: usize| number(list, at + offset, size);
    let lengths = [field(28, 2)? as usize, field(30, 2)? as usize, field(32, 2)? as usize];
    let (mut bytes, mut unpacked, mut local) = (field(20, 4)?, field(24, 4)?, field(42, 4)?);
    let name_end = at + LISTED_BYTES + lengths[0];
    let name = list.get(at + LISTED_BYTES..name_end).context("a name that is cut short")?;
    let name = std::str::from_utf8(name)?;
    let mut extra = name_end;
    while extra + 4 <= name_end + lengths[1] {
        let (id, size) = (number(list, extra, 2)?, number(list, extra + 2, 2)? as usize);
        if id == EXTRA_64 {
            // Those that did not fit are here, in this order.
            let mut value = extra + 4;
            for wide in [&mut unpacked, &mut bytes, &mut local] {
                if *wide == ELSEWHERE {
                    *wide = number(list, value, 8)?;
                    value += 8;
                }
            }
        }
        extra += 4 + size;
    }
    if field(10, 2)? != 0 || bytes != unpacked {
        bail!("{name} is compressed, which torch.save never does");
    }
    // All lie in one folder, which is named after the file that was saved.
    if let Some((_, inner)) = name.split_once('/') {
        files.insert(inner.to_owned(), (local, bytes));
    }
    Ok(name_end + lengths[1] + lengths[2])
}

fn part(file: &mut File, start: u64, bytes: u64) -> anyhow::Result<Vec<u8>> {
    let there = file.metadata()?.len();
    ensure!(start.checked_add(bytes).is_some_and(|end| end <= there), "the file is cut short: fetch it again");
    file.seek(SeekFrom::Start(start))?;
    let mut part = vec![0; usize::try_from(bytes)?];
    file.read_exact(&mut part)?;
    Ok(part)
}

/// The little-endian number of `size` bytes at `at`.
fn number(bytes: &[u8], at: usize, size: usize) -> anyhow::Result<u64> {
    let digits = bytes.get(at..at + size).context("it is cut short")?;
    Ok(digits.iter().rev().fold(0, |number, &digit| number << 8 | u64::from(digit)))
}
