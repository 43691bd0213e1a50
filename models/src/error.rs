//! Every way that reading, checking or writing can fail: one variant each, naming the file and the field.

use std::path::PathBuf;

use crate::{FORMAT_VERSION, MAX_FILE_BYTES, PatchGrid};

/// What went wrong, where, and what to do about it.
///
/// `file` is the path of the file at fault; `field` is a place in the manifest, such as `spec.encoder.width`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture that cannot be cut into whole patches.
    #[error(
        "a picture of {height_px}×{width_px} px does not cut into patches of {patch_px} px: resize it so that both \
         sides are multiples of the patch side, up to {} px",
        PatchGrid::MAX_SIDE_PX
    )]
    Grid {
        /// The picture's height.
        height_px: usize,
        /// The picture's width.
        width_px: usize,
        /// The patch's side.
        patch_px: usize,
    },

    /// A spec with a number out of range, met outside a manifest.
    #[error("`{field}` is {value}: give {allowed}")]
    SpecField {
        /// The field, such as `spec.encoder.width`.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        allowed: String,
    },

    /// A word that names no precision.
    #[error("`{found}` is no precision: say f32 or int8")]
    UnknownPrecision {
        /// The word.
        found: String,
    },

    /// A word that names no part of a model.
    #[error("`{found}` is no part of a model: say encoder or decoder")]
    UnknownPart {
        /// The word.
        found: String,
    },

    /// A name that no bundle inside the program has.
    #[error(
        "no model named `{name}` is inside this program; it has {shipped}: name one of these, or give a bundle's folder"
    )]
    NotEmbedded {
        /// The name.
        name: String,
        /// The names there are.
        shipped: String,
    },

    /// The operating system refused.
    #[error("cannot {action} {file}")]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What was tried: "read", "write".
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },

    /// A folder without a manifest.
    #[error("{file} is missing: name a bundle's folder, the one that holds manifest.toml")]
    ManifestMissing {
        /// Where the manifest should be.
        file: PathBuf,
    },

    /// A manifest that is too long to be one.
    #[error("{file} has {bytes} bytes, more than the {limit} of any manifest: fetch the bundle again")]
    ManifestTooLarge {
        /// The manifest.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },

    /// A file of text that is not UTF-8.
    #[error("{file} is not UTF-8 text: fetch or export the bundle again")]
    NotText {
        /// The manifest or the card.
        file: PathBuf,
    },

    /// A manifest that is not TOML, or has a field too many, too few, or of the wrong type.
    #[error("{file} is not a manifest (models/README.md lists its fields): {reason}")]
    ManifestSyntax {
        /// The manifest.
        file: PathBuf,
        /// The line and the field.
        reason: Box<toml::de::Error>,
    },

    /// A manifest of another version.
    #[error(
        "{file}: `format_version` is {found}, this program reads {FORMAT_VERSION}: export the bundle again, or take the \
         release of Glimpse that wrote it"
    )]
    UnknownVersion {
        /// The manifest.
        file: PathBuf,
        /// The version it gives.
        found: String,
    },

    /// A manifest whose field has a value that it may not have.
    #[error("{file}: `{field}` is {value}: give {allowed}")]
    ManifestField {
        /// The manifest.
        file: PathBuf,
        /// The field.
        field: String,
        /// Its value.
        value: String,
        /// What would be right.
        allowed: String,
    },

    /// A manifest that lists a file that no bundle has.
    #[error("{file}: `{field}` is no file of a bundle: remove the entry")]
    UnknownFile {
        /// The manifest.
        file: PathBuf,
        /// The field, such as `files."weights.bin"`.
        field: String,
    },

    /// A manifest that does not list a file that every bundle has.
    #[error("{file}: `{field}` is not listed, and every bundle has that file: export the bundle again")]
    NotListed {
        /// The manifest.
        file: PathBuf,
        /// The field, such as `files."golden.safetensors"`.
        field: String,
    },

    /// A manifest that lists no graphs.
    #[error("{file}: `files` lists neither encoder.onnx nor encoder.int8.onnx: export at least one form")]
    NoForm {
        /// The manifest.
        file: PathBuf,
    },

    /// A manifest that lists one part of a form without the other.
    #[error(
        "{file}: `{field}` is not listed, though the other half of that form is: export the form again, or remove it whole"
    )]
    HalfForm {
        /// The manifest.
        file: PathBuf,
        /// The part that is not there, such as `files."decoder.int8.onnx"`.
        field: String,
    },

    /// A manifest that lists a decoder's graph for a model without a decoder.
    #[error("{file}: `{field}` is listed, but `spec.decoder` is not there: remove the file or describe the decoder")]
    DecoderWithoutSpec {
        /// The manifest.
        file: PathBuf,
        /// The field, such as `files."decoder.onnx"`.
        field: String,
    },

    /// A manifest that lists a classifier's file for a model without a classifier.
    #[error("{file}: `{field}` is listed, but `classifier` is not there: remove the file or describe the classifier")]
    ClassifierWithoutTable {
        /// The manifest.
        file: PathBuf,
        /// The field, such as `files."labels.txt"`.
        field: String,
    },

    /// A manifest that describes a classifier and does not list its graph.
    #[error("{file}: `{field}` is not listed, though `classifier` describes it: export the bundle again")]
    ClassifierNotListed {
        /// The manifest.
        file: PathBuf,
        /// The field.
        field: String,
    },

    /// A file of labels with more or fewer lines than there are classes.
    #[error("{file} has {found} lines, the manifest says `classifier.classes` = {expected}: write one line a class")]
    Labels {
        /// The labels.
        file: PathBuf,
        /// The classes.
        expected: usize,
        /// The lines.
        found: usize,
    },

    /// A line of labels with nothing on it.
    #[error("{file}: line {line} is empty: name every class")]
    LabelEmpty {
        /// The labels.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },

    /// A manifest that cannot be written as TOML.
    #[error("{file} cannot be written: {reason}: shorten or round what `training` and `quality` hold")]
    ManifestWrite {
        /// The manifest.
        file: PathBuf,
        /// Why.
        reason: Box<toml::ser::Error>,
    },

    /// A listed file that is not there.
    #[error("{file} is missing, though the manifest lists it as `{field}`: fetch the bundle again")]
    FileMissing {
        /// The file.
        file: PathBuf,
        /// The manifest's field.
        field: String,
    },

    /// A listed file that is a folder or a device.
    #[error("{file} (`{field}` in the manifest) is not a plain file: fetch the bundle again")]
    NotAFile {
        /// The file.
        file: PathBuf,
        /// The manifest's field.
        field: String,
    },

    /// A file larger than any file of a bundle.
    #[error(
        "{file}: `{field}` asks for {bytes} bytes, more than the {MAX_FILE_BYTES} that are read: export a smaller model"
    )]
    FileTooLarge {
        /// The manifest.
        file: PathBuf,
        /// The manifest's field.
        field: String,
        /// The size it gives.
        bytes: u64,
    },

    /// A file of another size than the manifest says.
    #[error("{file} has {found} bytes, but the manifest says `{field}` = {expected}: fetch the bundle again")]
    FileSize {
        /// The file.
        file: PathBuf,
        /// The manifest's field.
        field: String,
        /// The manifest's size.
        expected: u64,
        /// The file's size.
        found: u64,
    },

    /// A file with other bytes than those that were hashed.
    #[error(
        "{file} has been altered: its SHA-256 is {found}, the manifest's `{field}` is {expected}: fetch the bundle again"
    )]
    FileAltered {
        /// The file.
        file: PathBuf,
        /// The manifest's field.
        field: String,
        /// The manifest's hash.
        expected: String,
        /// The file's hash.
        found: String,
    },

    /// A graph that is no protobuf message, such as a truncated one.
    #[error("{file} is not an ONNX file, or is cut short: {reason}: export it again")]
    GraphSyntax {
        /// The graph.
        file: PathBuf,
        /// Where the parser gave up.
        reason: prost::DecodeError,
    },

    /// A model file with no graph inside.
    #[error("{file}: `graph` is missing: export it again")]
    GraphMissing {
        /// The graph's file.
        file: PathBuf,
    },

    /// A container of a version that the contract does not know.
    #[error("{file}: `ir_version` is {found}: write it as 8, 9 or 10")]
    GraphIrVersion {
        /// The graph.
        file: PathBuf,
        /// The version.
        found: i64,
    },

    /// Operators of a version that the contract does not know.
    #[error("{file}: `opset_import` gives version {found} of the standard operators: export it for 17 or 18")]
    GraphOpset {
        /// The graph.
        file: PathBuf,
        /// The version, or "none".
        found: String,
    },

    /// Operators that are not the standard ones.
    #[error("{file}: {place} uses the operator domain `{domain}`: export it with standard operators alone")]
    GraphDomain {
        /// The graph.
        file: PathBuf,
        /// `opset_import`, or the node.
        place: String,
        /// The domain.
        domain: String,
    },

    /// A node with a graph inside, such as `If` or `Loop`.
    #[error("{file}: node `{node}` holds a graph of its own (`{attribute}`): export it without branches and loops")]
    GraphNested {
        /// The graph.
        file: PathBuf,
        /// The node.
        node: String,
        /// The attribute that holds the graph.
        attribute: String,
    },

    /// Inputs or outputs of other names, or in another order, than the contract's.
    #[error("{file}: the graph's {side} are [{found}], the contract's [{expected}]: rename them and export again")]
    GraphPorts {
        /// The graph.
        file: PathBuf,
        /// "inputs" or "outputs".
        side: &'static str,
        /// The contract's names.
        expected: String,
        /// The graph's names.
        found: String,
    },

    /// An input or output of the wrong element type.
    #[error("{file}: {port} is {found}, the contract says {expected}: cast it and export again")]
    GraphPortType {
        /// The graph.
        file: PathBuf,
        /// The input or output.
        port: String,
        /// The contract's type.
        expected: &'static str,
        /// The graph's type.
        found: String,
    },

    /// An input or output with too many or too few axes.
    #[error("{file}: {port} has {found} axes, the contract says {expected}: export it without a batch axis")]
    GraphPortRank {
        /// The graph.
        file: PathBuf,
        /// The input or output.
        port: String,
        /// The contract's rank.
        expected: usize,
        /// The graph's rank, or "unknown".
        found: String,
    },

    /// An input or output with an axis of the wrong length.
    #[error("{file}: axis {axis} of {port} is {found}, the spec says {expected}: correct the spec or export again")]
    GraphPortDim {
        /// The graph.
        file: PathBuf,
        /// The input or output.
        port: String,
        /// The axis, from 0.
        axis: usize,
        /// What follows from the spec.
        expected: String,
        /// The graph's length.
        found: String,
    },

    /// A constant that lies in another file.
    #[error("{file}: constant `{name}` keeps its values in another file: export it in one file")]
    GraphExternalData {
        /// The graph.
        file: PathBuf,
        /// The constant.
        name: String,
    },

    /// A constant of an element type that the contract does not know.
    #[error("{file}: constant `{name}` has the element type {found}: export it as float, int8 or int64")]
    GraphConstantType {
        /// The graph.
        file: PathBuf,
        /// The constant.
        name: String,
        /// The type.
        found: String,
    },

    /// A constant whose shape is no shape.
    #[error("{file}: constant `{name}` has the shape {dims:?}: export it again")]
    GraphConstantShape {
        /// The graph.
        file: PathBuf,
        /// The constant.
        name: String,
        /// The shape.
        dims: Vec<i64>,
    },

    /// A constant with more or fewer values than its shape has places.
    #[error("{file}: constant `{name}` holds {found} bytes, its shape asks for {expected}: export it again")]
    GraphConstantSize {
        /// The graph.
        file: PathBuf,
        /// The constant.
        name: String,
        /// Bytes that the shape asks for.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },

    /// A folder to be written that is there already.
    #[error("{file} exists already: choose another folder, or ask for it to be replaced")]
    Exists {
        /// The folder.
        file: PathBuf,
    },

    /// Something to be replaced that is not a bundle.
    #[error("{file} is not a bundle (it has no manifest.toml), so it is not replaced: choose another folder")]
    NotABundle {
        /// The folder.
        file: PathBuf,
    },
}
