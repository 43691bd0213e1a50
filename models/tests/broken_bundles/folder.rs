//! A small whole bundle in a folder of its own, ready to be broken.

use std::fs;
use std::path::{Path, PathBuf};

use glimpse_models::onnx::{
    AttributeProto, Bytes, Dimension, GraphProto, IR_VERSION, Message, ModelProto, NodeProto, OPSET_VERSION,
    OperatorSetIdProto, TensorProto, ValueInfoProto, data_type,
};
use glimpse_models::{
    Base, Bundle, BundleFile, Classifier, Error, Existing, Family, FileEntry, Files, MANIFEST_FILE, Manifest,
    ModelSpec, NormPlace, Part, Pool, Precision, RawSpec, Transformer,
};

const WIDTH: usize = 8;
const PATCH: usize = 2;
const L: usize = 4;
const CLASSES: usize = 3;
const PATCH_LEN: usize = PATCH * PATCH * 3;

/// A bundle's folder, removed when the test ends.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A whole bundle with both forms and a classifier.
    pub fn whole() -> Self {
        Self::of(&manifest(), &files(&Precision::ALL))
    }

    /// A whole bundle of these contents.
    pub fn of(manifest: &Manifest, files: &Files) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        Bundle::write(folder.dir(), manifest, files, Existing::Refuse).unwrap();
        folder
    }

    /// The bundle's folder.
    pub fn dir(&self) -> PathBuf {
        self.0.path().join("tiny")
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub fn open(&self) -> Result<Bundle, Error> {
        Bundle::open(self.dir())
    }

    /// Changes the manifest's text.
    pub fn edit(self, change: impl FnOnce(String) -> String) -> Self {
        let path = self.path(MANIFEST_FILE);
        let before = fs::read_to_string(&path).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "the test changes nothing");
        fs::write(path, after).unwrap();
        self
    }

    /// Replaces a piece of the manifest's text, which must be there.
    pub fn replace(self, old: &str, new: &str) -> Self {
        self.edit(|text| {
            assert!(text.contains(old), "{text} has no {old}");
            text.replacen(old, new, 1)
        })
    }

    /// Changes a part of the manifest.
    pub fn edit_table(self, change: impl FnOnce(&mut toml::Table)) -> Self {
        self.edit(|text| {
            let mut table = toml::from_str(&text).unwrap();
            change(&mut table);
            toml::to_string(&table).unwrap()
        })
    }

    /// Removes a file's entry from the manifest.
    pub fn unlist(self, name: &str) -> Self {
        self.edit_table(|table| {
            let files = table["files"].as_table_mut().unwrap();
            files.remove(name).unwrap();
        })
    }

    /// Replaces a file, with the size and hash in the manifest set right.
    pub fn put(self, name: &str, contents: &[u8]) -> Self {
        fs::write(self.path(name), contents).unwrap();
        let entry = toml::Table::try_from(FileEntry::of(contents)).unwrap();
        self.edit_table(|table| {
            let files = table["files"].as_table_mut().unwrap();
            files.insert(name.to_owned(), entry.into());
        })
    }

    /// Changes an ONNX file, with the size and hash in the manifest set right.
    pub fn edit_model(self, name: &str, change: impl FnOnce(&mut ModelProto)) -> Self {
        let mut model = read_model(&self.path(name));
        change(&mut model);
        self.put(name, &model.encode_to_vec())
    }

    /// Changes the graph of an ONNX file, with the size and hash in the manifest set right.
    pub fn edit_graph(self, name: &str, change: impl FnOnce(&mut GraphProto)) -> Self {
        self.edit_model(name, |model| change(model.graph.as_mut().unwrap()))
    }
}

fn read_model(path: &Path) -> ModelProto {
    ModelProto::decode(Bytes::from(fs::read(path).unwrap())).unwrap()
}

/// A model of 4×4 pixels, in patches of 2×2.
pub fn raw_spec() -> RawSpec {
    RawSpec {
        family: Family::Mae,
        image_side: 4,
        patch_side: PATCH,
        encoder: Transformer { width: WIDTH, depth: 1, heads: 2 },
        decoder: Some(Transformer { width: WIDTH, depth: 1, heads: 2 }),
        mlp_ratio: 4,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    }
}

pub fn manifest() -> Manifest {
    let mut manifest = Manifest::new("tiny", "MIT OR Apache-2.0", ModelSpec::new(raw_spec()).unwrap()).unwrap();
    manifest.classifier = Some(Classifier { pool: Pool::Cls, norm: NormPlace::Encoder, classes: CLASSES });
    manifest
}

/// Every file of a bundle with these forms.
pub fn files(precisions: &[Precision]) -> Files {
    let mut files = Files::from([
        (BundleFile::Golden, Bytes::from_static(b"\x08\0\0\0\0\0\0\0{}      ")),
        (BundleFile::Card, Bytes::from_static(b"# tiny\n")),
        (BundleFile::Classifier, classifier()),
        (BundleFile::Labels, Bytes::from_static(b"cat\ndog\nfish\n")),
    ]);
    for &precision in precisions {
        files.insert(BundleFile::Graph(Part::Encoder, precision), encoder(precision));
        files.insert(BundleFile::Graph(Part::Decoder, precision), decoder(precision));
    }
    files
}

/// Each patch embedded, its position added, the class token before them.
fn encoder(precision: Precision) -> Bytes {
    let (weight, mut node, mut initializer) = linear(precision, [PATCH_LEN, WIDTH]);
    let axis = || vec![AttributeProto::from_i64("axis", 0)];
    node.extend([
        NodeProto::new("MatMul", &["patches", weight], &["embedded"], vec![]),
        NodeProto::new("Gather", &["table", "positions"], &["places"], axis()),
        NodeProto::new("Add", &["embedded", "places"], &["placed"], vec![]),
        NodeProto::new("Concat", &["class", "placed"], &["tokens"], axis()),
    ]);
    initializer.extend([
        TensorProto::from_f32("table", &[L, WIDTH], &[0.5; L * WIDTH]),
        TensorProto::from_f32("class", &[1, WIDTH], &[0.25; WIDTH]),
    ]);
    let (n, fixed) = (|| Dimension::symbol("N"), Dimension::fixed);
    model(GraphProto {
        node,
        initializer,
        input: vec![
            ValueInfoProto::tensor("patches", data_type::FLOAT, vec![n(), fixed(PATCH_LEN)]),
            ValueInfoProto::tensor("positions", data_type::INT64, vec![n()]),
        ],
        output: vec![ValueInfoProto::tensor(
            "tokens",
            data_type::FLOAT,
            vec![Dimension::symbol("N + 1"), fixed(WIDTH)],
        )],
        ..GraphProto::default()
    })
}

/// Each place's token (the class token where it is masked), turned into pixels.
fn decoder(precision: Precision) -> Bytes {
    let (weight, mut node, initializer) = linear(precision, [WIDTH, PATCH_LEN]);
    let axis = vec![AttributeProto::from_i64("axis", 0)];
    node.extend([
        NodeProto::new("Gather", &["tokens", "restore"], &["restored"], axis),
        NodeProto::new("MatMul", &["restored", weight], &["patches"], vec![]),
    ]);
    let fixed = Dimension::fixed;
    model(GraphProto {
        node,
        initializer,
        input: vec![
            ValueInfoProto::tensor("tokens", data_type::FLOAT, vec![Dimension::symbol("T"), fixed(WIDTH)]),
            ValueInfoProto::tensor("restore", data_type::INT64, vec![fixed(L)]),
        ],
        output: vec![ValueInfoProto::tensor("patches", data_type::FLOAT, vec![fixed(L), fixed(PATCH_LEN)])],
        ..GraphProto::default()
    })
}

/// The class token, turned into logits.
fn classifier() -> Bytes {
    let node = vec![
        NodeProto::new("Gather", &["tokens", "first"], &["pooled"], vec![AttributeProto::from_i64("axis", 0)]),
        NodeProto::new("MatMul", &["pooled", "weight"], &["product"], vec![]),
        NodeProto::new("Reshape", &["product", "classes"], &["logits"], vec![]),
    ];
    let initializer = vec![
        TensorProto::from_i64("first", &[1], &[0]),
        TensorProto::from_i64("classes", &[1], &[CLASSES as i64]),
        TensorProto::from_f32("weight", &[WIDTH, CLASSES], &[0.1; WIDTH * CLASSES]),
    ];
    let tokens = vec![Dimension::symbol("T"), Dimension::fixed(WIDTH)];
    model(GraphProto {
        node,
        initializer,
        input: vec![ValueInfoProto::tensor("tokens", data_type::FLOAT, tokens)],
        output: vec![ValueInfoProto::tensor("logits", data_type::FLOAT, vec![Dimension::fixed(CLASSES)])],
        ..GraphProto::default()
    })
}

/// A weight's name, with what it takes to have it in this form.
fn linear(precision: Precision, dims: [usize; 2]) -> (&'static str, Vec<NodeProto>, Vec<TensorProto>) {
    let len = dims[0] * dims[1];
    match precision {
        Precision::F32 => ("weight", vec![], vec![TensorProto::from_f32("weight", &dims, &vec![0.1; len])]),
        Precision::Int8 => {
            let axis = vec![AttributeProto::from_i64("axis", 1)];
            let inputs = ["weight.int8", "weight.scale", "weight.zero"];
            let constants = vec![
                TensorProto::from_i8("weight.int8", &dims, &vec![127; len]),
                TensorProto::from_f32("weight.scale", &dims[1..], &vec![0.1 / 127.0; dims[1]]),
                TensorProto::from_i8("weight.zero", &dims[1..], &vec![0; dims[1]]),
            ];
            ("weight", vec![NodeProto::new("DequantizeLinear", &inputs, &["weight"], axis)], constants)
        }
    }
}

fn model(graph: GraphProto) -> Bytes {
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "glimpse".to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET_VERSION }],
        ..ModelProto::default()
    };
    Bytes::from(model.encode_to_vec())
}
