//! A labelled set: pictures and their classes, parted into those to learn from and those to be asked about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use image::{GrayImage, RgbImage};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::folder;
use super::idx::Idx;
use super::listing::Listing;
use super::pictures::{Decode, decode};
use crate::train::checkpoint;

/// Names of the folder whose pictures are asked about, the first one that exists.
const TEST_FOLDERS: [&str; 3] = ["test", "val", "validation"];
/// Where there is no such folder, one picture in this many of each class is asked about.
const TEST_STRIDE: usize = 5;
/// Names of Fashion-MNIST's classes.
///
/// # Source
/// Xiao et al. 2017, arXiv:1708.07747, table 2.
const FASHION: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// A picture and its class.
#[derive(Debug, Clone)]
pub struct Example {
    /// Number of the class.
    pub label: usize,
    picture: Picture,
}

/// Where a picture is.
#[derive(Debug, Clone)]
enum Picture {
    File(PathBuf),
    /// One of a stack of grey pictures.
    Grey(Arc<Idx>, usize),
}

impl Decode for Example {
    fn decode(&self) -> anyhow::Result<RgbImage> {
        match &self.picture {
            Picture::File(path) => decode(path),
            Picture::Grey(stack, index) => {
                let (height, width) = (stack.shape[1], stack.shape[2]);
                let pixels = &stack.values[index * height * width..(index + 1) * height * width];
                let grey = GrayImage::from_raw(width as u32, height as u32, pixels.to_vec());
                let grey = grey.with_context(|| format!("picture {index} of the stack is not whole"))?;
                Ok(image::DynamicImage::from(grey).into_rgb8())
            }
        }
    }
}

/// A labelled set.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// What it is called in reports.
    pub name: String,
    /// The classes' names, in the order of their numbers.
    pub class_names: Vec<String>,
    /// How it was parted, in words.
    pub split: String,
    /// To learn from.
    pub train: Vec<Example>,
    /// To be asked about.
    pub test: Vec<Example>,
    /// The folder's pictures, all of them, where the set is one.
    pub pictures: Option<Listing>,
}

impl Labelled {
    /// Fashion-MNIST, from the folder with its four files.
    ///
    /// # Errors
    /// As [`Labelled::mnist`].
    pub fn fashion_mnist(dir: &Path) -> anyhow::Result<Self> {
        let mut set = Self::mnist("Fashion-MNIST", dir)?;
        if set.classes() == FASHION.len() {
            set.class_names = FASHION.map(str::to_owned).to_vec();
        }
        Ok(set)
    }

    /// How many classes there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Reads a data set of MNIST's form from the four files that it comes in, packed with gzip or not. Its classes are
    /// called by their numbers.
    ///
    /// # Errors
    /// Names the file that is missing or broken, or does not go with its neighbour.
    pub fn mnist(name: &str, dir: &Path) -> anyhow::Result<Self> {
        let train = mnist_part(dir, "train")?;
        let test = mnist_part(dir, "t10k")?;
        let classes = train.iter().map(|example| example.label + 1).max().unwrap_or(0);
        ensure!(classes >= 2, "{} has pictures of one class alone: there is nothing to tell apart", dir.display());
        ensure!(
            test.iter().all(|example| example.label < classes),
            "{} asks about a class that there is nothing to learn from",
            dir.display()
        );
        let class_names = (0..classes).map(|class| class.to_string()).collect();
        Ok(Self {
            name: name.to_owned(),
            class_names,
            split: "the data set's own".to_owned(),
            train,
            test,
            pictures: None,
        })
    }

    /// Reads a folder tree: `train/CLASS/…` and `test/CLASS/…` (or `val`, `validation`), or `CLASS/…` alone, and then a
    /// fifth of each class, drawn by `seed`, is asked about.
    ///
    /// # Errors
    /// Names the folder that is missing, or has too few classes or pictures.
    pub fn folders(dir: &Path, seed: u64) -> anyhow::Result<Self> {
        ensure!(
            dir.is_dir(),
            "there is no folder {}: name one with a folder of pictures for each class",
            dir.display()
        );
        let name = dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
        let name = name.unwrap_or_else(|| dir.display().to_string());
        let train_dir = dir.join("train");
        let Some(test_name) = TEST_FOLDERS.into_iter().find(|test| train_dir.is_dir() && dir.join(test).is_dir())
        else {
            let classes = class_names(dir)?;
            let (mut train, mut test) = (Vec::new(), Vec::new());
            for (label, class) in classes.iter().enumerate() {
                let mut pictures = folder::list(&dir.join(class))?;
                ensure!(
                    pictures.len() >= 2,
                    "{} has one picture alone: one to learn from and one to ask about are needed",
                    dir.join(class).display()
                );
                pictures.shuffle(&mut Pcg64::seed_from_u64(seed));
                let learnt_from = pictures.split_off(pictures.len().div_ceil(TEST_STRIDE));
                test.extend(pictures.into_iter().map(|path| Example { label, picture: Picture::File(path) }));
                train.extend(learnt_from.into_iter().map(|path| Example { label, picture: Picture::File(path) }));
            }
            let split = format!("a fifth of each class, drawn with seed {seed}, is asked about");
            let pictures = Some(listing(dir, &train, &test));
            return Ok(Self { name, class_names: classes, split, train, test, pictures });
        };
        let classes = class_names(&train_dir)?;
        let part = |dir: PathBuf| -> anyhow::Result<Vec<Example>> {
            let mut examples = Vec::new();
            for class in class_names(&dir)? {
                let label = classes.iter().position(|known| *known == class).with_context(|| {
                    format!(
                        "{} is of a class that {} has no folder of",
                        dir.join(&class).display(),
                        train_dir.display()
                    )
                })?;
                let pictures = folder::list(&dir.join(&class))?;
                examples.extend(pictures.into_iter().map(|path| Example { label, picture: Picture::File(path) }));
            }
            Ok(examples)
        };
        let (train, test) = (part(train_dir.clone())?, part(dir.join(test_name))?);
        let (split, pictures) = (format!("the folders train and {test_name}"), Some(listing(dir, &train, &test)));
        Ok(Self { name, class_names: classes, split, train, test, pictures })
    }

    /// At most so many examples of each part, drawn by `seed`, in the order that they had.
    #[must_use]
    pub fn limited(mut self, train_limit: usize, test_limit: usize, seed: u64) -> Self {
        draw(&mut self.train, train_limit, seed);
        draw(&mut self.test, test_limit, !seed);
        self
    }
}

/// `train` or `t10k`: the pictures and their labels.
fn mnist_part(dir: &Path, part: &str) -> anyhow::Result<Vec<Example>> {
    let find = |kind: &str| {
        let names = ["", ".gz"].map(|ending| dir.join(format!("{part}-{kind}-ubyte{ending}")));
        names.iter().find(|path| path.is_file()).cloned().with_context(|| {
            format!("there is no file {}: Debian has Fashion-MNIST in `dataset-fashion-mnist`", names[1].display())
        })
    };
    let (pictures_file, labels_file) = (find("images-idx3")?, find("labels-idx1")?);
    let (pictures, labels) = (Idx::read(&pictures_file)?, Idx::read(&labels_file)?);
    ensure!(
        pictures.shape.len() == 3 && pictures.shape[1..].iter().all(|length| *length > 0),
        "{} holds an array of {:?}, and pictures are [count, height, width]",
        pictures_file.display(),
        pictures.shape
    );
    ensure!(
        labels.shape == [pictures.shape[0]] && !labels.values.is_empty(),
        "{} has {:?} labels and {} has {} pictures: they do not go together",
        labels_file.display(),
        labels.shape,
        pictures_file.display(),
        pictures.shape[0]
    );
    let stack = Arc::new(pictures);
    let example = |(index, label): (usize, &u8)| Example {
        label: usize::from(*label),
        picture: Picture::Grey(Arc::clone(&stack), index),
    };
    Ok(labels.values.iter().enumerate().map(example).collect())
}

fn listing(dir: &Path, train: &[Example], test: &[Example]) -> Listing {
    let files = train.iter().chain(test).filter_map(|example| match &example.picture {
        Picture::File(path) => Some(path),
        Picture::Grey(..) => None,
    });
    Listing::of(dir, files)
}

/// Names of the folders in `dir`, in order: the classes. A run of training among them is none.
fn class_names(dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry.with_context(|| format!("reading {}", dir.display()))?;
        if entry.path().is_dir() && !checkpoint::is_run(&entry.path()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    ensure!(
        names.len() >= 2,
        "{} has {} folders: a folder for each of two or more classes is needed",
        dir.display(),
        names.len()
    );
    Ok(names)
}

fn draw(examples: &mut Vec<Example>, limit: usize, seed: u64) {
    if examples.len() <= limit {
        return;
    }
    let mut chosen: Vec<usize> = (0..examples.len()).collect();
    chosen.shuffle(&mut Pcg64::seed_from_u64(seed));
    chosen.truncate(limit);
    chosen.sort_unstable();
    *examples = chosen.into_iter().map(|index| examples[index].clone()).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(examples: &[Example]) -> Vec<(usize, String)> {
        let name = |example: &Example| match &example.picture {
            Picture::File(path) => path.file_name().unwrap().to_string_lossy().into_owned(),
            Picture::Grey(_, index) => index.to_string(),
        };
        examples.iter().map(|example| (example.label, name(example))).collect()
    }

    fn touch(path: PathBuf) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }

    #[test]
    fn folders_train_and_test_are_taken_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["train/cat/a.png", "train/dog/b.jpg", "val/dog/c.png", "val/dog/notes.txt"] {
            touch(dir.path().join(file));
        }
        touch(dir.path().join("val/cat/d.png"));
        let set = Labelled::folders(dir.path(), 0).unwrap();
        assert_eq!((set.classes(), set.split.as_str()), (2, "the folders train and val"));
        assert_eq!(paths(&set.train), [(0, "a.png".into()), (1, "b.jpg".into())]);
        assert_eq!(paths(&set.test), [(0, "d.png".into()), (1, "c.png".into())]);
        touch(dir.path().join("val/emu/e.png"));
        assert!(Labelled::folders(dir.path(), 0).unwrap_err().to_string().contains("emu"));
    }

    #[test]
    fn classes_alone_are_parted_by_the_seed() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..10 {
            touch(dir.path().join(format!("cat/{number}.png")));
            touch(dir.path().join(format!("dog/{number}.png")));
        }
        let parted = |seed| Labelled::folders(dir.path(), seed).unwrap();
        let (one, again, other) = (parted(1), parted(1), parted(2));
        assert_eq!((one.train.len(), one.test.len()), (16, 4));
        assert_eq!(paths(&one.test), paths(&again.test));
        assert_ne!(paths(&one.test), paths(&other.test));
        assert!(paths(&one.test).iter().all(|tested| !paths(&one.train).contains(tested)));
        assert_eq!(one.pictures, other.pictures);
        touch(dir.path().join("run/step-000000012/model.safetensors"));
        assert_eq!(parted(1).class_names, ["cat", "dog"]);
        assert_eq!(one.pictures, parted(1).pictures);
        touch(dir.path().join("dog/10.png"));
        assert_ne!(one.pictures, parted(1).pictures);
    }

    #[test]
    fn what_cannot_be_parted_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = || Labelled::folders(dir.path(), 0).unwrap_err().to_string();
        assert!(refusal().contains("0 folders"));
        touch(dir.path().join("cat/a.png"));
        assert!(refusal().contains("1 folders"));
        touch(dir.path().join("dog/a.png"));
        assert!(refusal().contains("one picture alone"));
        assert!(Labelled::folders(Path::new("nowhere"), 0).unwrap_err().to_string().contains("nowhere"));
    }

    /// Two pictures of 2 × 2 pixels to learn from, and one to be asked about.
    fn write_mnist(dir: &Path) {
        let pictures = |count: u8| {
            [
                &[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 2],
                &[10, 20, 30, 40, 50, 60, 70, 80][..4 * usize::from(count)],
            ]
            .concat()
        };
        std::fs::write(dir.join("train-images-idx3-ubyte"), pictures(2)).unwrap();
        std::fs::write(dir.join("train-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 2, 1, 0]).unwrap();
        std::fs::write(dir.join("t10k-images-idx3-ubyte"), pictures(1)).unwrap();
        std::fs::write(dir.join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 1, 1]).unwrap();
    }

    #[test]
    fn pictures_and_labels_go_together() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = || format!("{:#}", Labelled::mnist("small", dir.path()).unwrap_err());
        assert!(refusal().contains("train-images-idx3-ubyte.gz") && refusal().contains("dataset-fashion-mnist"));
        write_mnist(dir.path());
        let set = Labelled::mnist("small", dir.path()).unwrap();
        assert_eq!((set.classes(), set.train.len(), set.test.len()), (2, 2, 1));
        let second = set.train[1].decode().unwrap();
        assert_eq!((set.train[1].label, second.dimensions()), (0, (2, 2)));
        assert_eq!(second.as_raw(), &[50, 50, 50, 60, 60, 60, 70, 70, 70, 80, 80, 80]);

        std::fs::write(dir.path().join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 1, 2]).unwrap();
        assert!(refusal().contains("nothing to learn from"));
        std::fs::write(dir.path().join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 2, 1, 1]).unwrap();
        assert!(refusal().contains("do not go together"));
    }

    #[test]
    fn a_limit_draws_by_the_seed_and_keeps_the_order() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..50 {
            touch(dir.path().join(format!("train/a/{number:02}.png")));
            touch(dir.path().join(format!("train/b/{number:02}.png")));
            touch(dir.path().join(format!("test/a/{number:02}.png")));
            touch(dir.path().join(format!("test/b/{number:02}.png")));
        }
        let set = Labelled::folders(dir.path(), 0).unwrap();
        let limited = |seed| set.clone().limited(30, 7, seed);
        assert_eq!((limited(1).train.len(), limited(1).test.len()), (30, 7));
        assert_eq!(paths(&limited(1).train), paths(&limited(1).train));
        assert_ne!(paths(&limited(1).train), paths(&limited(2).train));
        assert!(paths(&limited(1).train).is_sorted());
        assert_eq!(paths(&set.clone().limited(200, 200, 1).train), paths(&set.train));
    }
}
