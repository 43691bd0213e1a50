//! The options that name a labelled set.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args as ClapArgs;
use glimpse_export::data::Labelled;

/// Where Debian's package `dataset-fashion-mnist` puts its files.
const DEBIAN_FASHION_MNIST: &str = "/usr/share/datasets/fashion-mnist";

/// A labelled set.
#[derive(Debug, ClapArgs)]
pub struct LabelledArgs {
    /// Folder tree of JPEG, PNG and WebP pictures, a folder a class: train/CLASS and test/CLASS (or val/CLASS), or CLASS
    /// alone, and then a fifth of each class is asked about.
    #[arg(long, value_name = "FOLDER", conflicts_with = "fashion_mnist")]
    data: Option<PathBuf>,
    /// Fashion-MNIST, from the folder with its four files [default: that of Debian's dataset-fashion-mnist]
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = DEBIAN_FASHION_MNIST)]
    fashion_mnist: Option<PathBuf>,
}

impl LabelledArgs {
    /// Reads the set; `seed` draws what is asked about, where no folder says so.
    ///
    /// # Errors
    /// When none is named, or the one that is cannot be read.
    pub fn read(&self, seed: u64) -> anyhow::Result<Labelled> {
        match (&self.fashion_mnist, &self.data) {
            (Some(folder), _) => Labelled::fashion_mnist(folder),
            (None, Some(folder)) => Labelled::folders(folder, seed),
            (None, None) => bail!("there is nothing to ask about: name pictures with --data, or take --fashion-mnist"),
        }
    }
}
