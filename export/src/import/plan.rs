//! What a checkpoint's model is, and its weights whenever they are asked for.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use glimpse_models::{
    Base, Bundle, Classifier, Family, ModelSpec, NormPlace, Pool, Precision, RawSpec, Training, Transformer,
};

use super::config::Config;
use super::layout::Layout;
use super::matched::Matched;
use super::sizes::Sizes;
use super::source::{Source, hashes, name};
use super::store::Store;
use crate::emit::Description;
use crate::emit::inventory;
use crate::quantize::stored_weights;
use crate::weights::Weights;

/// Mean and standard deviation of `ImageNet`'s pixels.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, with the transforms of its data.
const IMAGE_NET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// What the layer norms of the original and of timm add to the variance.
const EPSILON: f64 = 1e-6;
/// Heads of the paper's encoders and of their smaller relatives, by width.
const HEADS: [(usize, usize); 5] = [(192, 3), (384, 6), (768, 12), (1024, 16), (1280, 16)];
/// Heads of the paper's decoder, by width.
const DECODER_HEADS: [(usize, usize); 1] = [(512, 16)];
/// The terms on which the published weights are given.
const LICENCE: &str = "CC-BY-NC-4.0";
/// What is said of a checkpoint that its files do not tell, or tell otherwise.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Heads of the encoder.
    pub heads: Option<usize>,
    /// Heads of the decoder.
    pub decoder_heads: Option<usize>,
    /// Whether the decoder was trained on normalized patches.
    pub norm_pix: Option<bool>,
    /// Side of the picture, in pixels: positions are stretched to it.
    pub image_side: Option<usize>,
    /// Names of a classifier's classes.
    pub class_names: Option<Vec<String>>,
    /// The terms of the weights.
    pub licence: Option<String>,
}

/// A checkpoint that can be imported: everything it needs is there, in the right shape, and nothing else.
#[derive(Debug)]
pub struct Plan {
    /// What the model is.
    pub description: Description,
    /// Whose names the tensors have.
    pub layout: Layout,
    /// What the bundle would be called, where the files tell.
    pub name: Option<String>,
    /// The terms of the weights.
    pub licence: String,
    /// What was assumed, in sentences.
    pub notes: Vec<String>,
    weights: Place,
}

/// Where the weights are read from.
#[derive(Debug)]
enum Place {
    Bundle(Box<Bundle>),
    Files(Matched),
}

impl Plan {
    /// Finds out what `path` holds and checks it against what its model needs. No tensor is read.
    ///
    /// # Errors
    /// When it is nothing that can be imported, when something that no file tells was not said, or with every tensor that is
    /// missing, surplus or misshapen.
    pub fn open(path: &Path, options: &Options) -> anyhow::Result<Self> {
        match Source::of(path)? {
            Source::Bundle(folder) => {
                options.refuse_for("a bundle")?;
                let bundle = Bundle::open(folder)?;
                let manifest = bundle.manifest();
                let description = Description {
                    spec: *bundle.spec(),
                    classifier: manifest.classifier,
                    class_names: bundle.labels().map(<[String]>::to_vec),
                    training: manifest.training.clone(),
                    quality: BTreeMap::new(),
                };
                let name = Some(bundle.name().to_owned());
                let licence = options.licence.clone().unwrap_or_else(|| manifest.licence().to_owned());
                let weights = Place::Bundle(Box::new(bundle));
                Ok(Self { description, layout: Layout::Glimpse, name, licence, notes: Vec::new(), weights })
            }
            Source::Checkpoint(folder) => {
                options.refuse_for("a checkpoint of our own")?;
                let store = Store::open(&folder.join("model.safetensors"))?;
                let description = Description::read(&folder)?;
                let weights = Place::Files(Matched::new(store, Layout::Glimpse, &description, 0)?);
                let licence = options.licence.clone().unwrap_or_else(|| "not stated".to_owned());
                Ok(Self { description, layout: Layout::Glimpse, name: name(path), licence, notes: Vec::new(), weights })
            }
            Source::Weights { folder, files } => {
                let store =
                    ["model.", "module."].iter().fold(Source::store(&files)?, |store, prefix| store.under(prefix));
                let mut plan = Self::of_public(store, Config::read(&folder)?, options, &path.to_string_lossy())?;
                plan.description.training = Training { source: Some(hashes(&files)?), ..Training::default() };
                plan.name = name(path);
                Ok(plan)
            }
        }
    }

    fn of_public(store: Store, config: Option<Config>, options: &Options, path: &str) -> anyhow::Result<Self> {
        let layout = Layout::of(&store).filter(|layout| *layout != Layout::Glimpse).with_context(|| unknown(&store))?;
        let config = match (layout, config) {
            (Layout::HuggingFace, None) => bail!(
                "these are Hugging Face's tensors, and config.json is not beside them: fetch it too, since it alone tells the \
                 heads and the norms' epsilon"
            ),
            // Another program's file of that name, beside weights that tell all by themselves.
            (Layout::Original, Some(config)) if config.model_type.is_some() => Config::default(),
            (_, config) => config.unwrap_or_default(),
        };
        let sizes = Sizes::of(&store, layout, config.depths())?;
        let mut notes = Vec::new();
        let (mean, std) = config.pixels().unwrap_or(IMAGE_NET);
        let spec = ModelSpec::new(RawSpec {
            family: Family::Mae,
            image_side: options.image_side.unwrap_or(sizes.grid_side * sizes.patch_side),
            patch_side: sizes.patch_side,
            encoder: stack(sizes.encoder, options.heads.or(config.heads()[0]), "--heads", &HEADS)?,
            decoder: match sizes.decoder {
                Some(decoder) => {
                    let heads = options.decoder_heads.or(config.heads()[1]);
                    Some(stack(decoder, heads, "--decoder-heads", &DECODER_HEADS)?)
                }
                None => None,
            },
            mlp_ratio: sizes.mlp_ratio,
            mean,
            std,
            norm_pix: norm_pix(&sizes, config.norm_pix(), options.norm_pix, path, &mut notes)?,
            base: Base::Zero,
            layer_norm_epsilon: config.layer_norm_epsilon().unwrap_or(EPSILON),
        })?;
        let classifier = sizes.classes.map(|classes| Classifier {
            pool: if sizes.has_classifier_norm { Pool::Mean } else { Pool::Cls },
            norm: if sizes.has_classifier_norm { NormPlace::Classifier } else { NormPlace::Encoder },
            classes,
        });
        let class_names = class_names(classifier, &config, options)?;
        let description = Description { classifier, class_names, ..Description::new(spec, Training::default()) };
        let weights = Place::Files(Matched::new(store, layout, &description, sizes.grid_side)?);
        let licence = match (&options.licence, config.licence()) {
            (Some(said), _) => said.clone(),
            (None, Some(known)) => known.to_owned(),
            (None, None) => {
                notes.push(format!(
                    "licence {LICENCE}: assumed, as the published weights are under it; --licence says otherwise"
                ));
                LICENCE.to_owned()
            }
        };
        Ok(Self { description, layout, name: None, licence, notes, weights })
    }

    /// Reads the weights, under our keys.
    ///
    /// # Errors
    /// When a tensor cannot be read, holds a number that is not finite, or says what no bundle can hold.
    pub fn weights(&self) -> anyhow::Result<Weights> {
        let Description { spec, classifier, .. } = &self.description;
        let weights = match &self.weights {
            Place::Bundle(bundle) => {
                let f32 = bundle.precisions().contains(&Precision::F32);
                stored_weights(bundle, if f32 { Precision::F32 } else { Precision::Int8 })?
            }
            Place::Files(matched) => matched.weights(spec)?,
        };
        inventory::check(spec, classifier.as_ref(), &weights)?;
        Ok(weights)
    }
}

impl Options {
    /// What a file of ours says, no option can say otherwise.
    fn refuse_for(&self, what: &str) -> anyhow::Result<()> {
        let given = [
            ("--heads", self.heads.is_some()),
            ("--decoder-heads", self.decoder_heads.is_some()),
            ("--norm-pix", self.norm_pix.is_some()),
            ("--image-side", self.image_side.is_some()),
            ("--labels", self.class_names.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => bail!("{option} is for public weights: {what} says that itself"),
            None => Ok(()),
        }
    }
}

/// A stack of blocks with as many heads as were said, or as one of its width usually has.
fn stack(
    [width, depth]: [usize; 2],
    heads: Option<usize>,
    option: &str,
    usual: &[(usize, usize)],
) -> anyhow::Result<Transformer> {
    let usual = usual.iter().find(|(known, _)| *known == width).map(|(_, heads)| *heads);
    let heads = heads
        .or(usual)
        .with_context(|| format!("no weight tells how many heads blocks of width {width} have: give {option}"))?;
    Ok(Transformer { width, depth, heads })
}

/// Whether the decoder predicts normalized patches: as was said, as the configuration or the file's name tells, or else so,
/// since then nobody paints with what cannot paint.
fn norm_pix(
    sizes: &Sizes,
    config: Option<bool>,
    said: Option<bool>,
    path: &str,
    notes: &mut Vec<String>,
) -> anyhow::Result<bool> {
    if sizes.decoder.is_none() {
        ensure!(said.is_none(), "--norm-pix is about a decoder, and these weights have none");
        return Ok(false);
    }
    if let Some(known) = said.or(config) {
        return Ok(known);
    }
    let plain = path.contains("mae_visualize");
    notes.push(if plain {
        "norm_pix false: assumed from the name mae_visualize, whose weights were trained on plain pixels; --norm-pix says otherwise"
            .to_owned()
    } else {
        "norm_pix true: assumed, as the published recipe trains on normalized patches, so that the model is not painted with; \
         --norm-pix says otherwise"
            .to_owned()
    });
    Ok(!plain)
}

fn class_names(
    classifier: Option<Classifier>,
    config: &Config,
    options: &Options,
) -> anyhow::Result<Option<Vec<String>>> {
    match (classifier, &options.class_names) {
        (None, Some(_)) => bail!("--labels names classes, and these weights have no classifier"),
        (None, None) => Ok(None),
        // Their number is checked with the bundle.
        (Some(_), Some(names)) => Ok(Some(names.clone())),
        (Some(classifier), None) => Ok(config.class_names(classifier.classes)),
    }
}

fn unknown(store: &Store) -> String {
    let names: Vec<&str> = store.names().take(5).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!(
        "these are the tensors of no layout that is known, which are the original MAE's, timm's and Hugging Face's: the first \
         are {names}"
    )
}
