//! The shaders as they lie on disk.

use std::mem::offset_of;

use wgpu::naga::front::wgsl;
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};
use wgpu::naga::{AddressSpace, Block, Expression, Handle, Module, Statement, TypeInner};

use crate::gpu::jobs::{BLOCK_ROWS, LINE, QUERIES};
use crate::gpu::kernels::{BlockShape, Form, Kernel, Tile};
use crate::gpu::params;
use crate::gpu::weights::Product;

const TILE: Tile = Tile { side: 8, split: 1 };

/// A parameter's name and its place in bytes.
type Fields = Vec<(&'static str, usize)>;

macro_rules! fields {
    ($of:ty: $($name:ident),*) => { (vec![$((stringify!($name), offset_of!($of, $name))),*], size_of::<$of>()) };
}

/// A kernel of each shader, with the parameters as the host has them.
fn all() -> Vec<(Kernel, (Fields, usize))> {
    vec![
        (Kernel::Linear { form: Form::F32, tile: TILE }, fields!(params::Linear: rows, inputs, outputs, first, finish)),
        (Kernel::LinearF16 { side: 8 }, fields!(params::Linear: rows, inputs, outputs, first, finish)),
        (Kernel::LinearInt8 { tile: TILE }, fields!(params::Linear: rows, inputs, outputs, first, finish)),
        (Kernel::Quantize { subgroups: false }, fields!(params::Quantize: width)),
        (Kernel::Quantize { subgroups: true }, fields!(params::Quantize: width)),
        (Kernel::LayerNorm { subgroups: false }, fields!(params::LayerNorm: width, epsilon)),
        (Kernel::LayerNorm { subgroups: true }, fields!(params::LayerNorm: width, epsilon)),
        (Kernel::LayerNormInt8 { subgroups: false }, fields!(params::LayerNorm: width, epsilon)),
        (Kernel::LayerNormInt8 { subgroups: true }, fields!(params::LayerNorm: width, epsilon)),
        (Kernel::Attention { parts: 4, groups: 1 }, fields!(params::Attention: tokens, heads, scale)),
        (
            block(Product::Wide(Form::F32)),
            fields!(params::Block: tokens, rest, norm, layers, norm_at, first, scale, epsilon, norm_epsilon),
        ),
        (
            block(Product::Bytes),
            fields!(params::Block: tokens, rest, norm, layers, norm_at, first, scale, epsilon, norm_epsilon),
        ),
        (Kernel::Place, fields!(params::Place: rows, width, places)),
        (Kernel::Restore, fields!(params::Restore: rows, width)),
        (Kernel::ResizeRows, fields!(params::ResizeRows: words, rows, entry)),
        (
            Kernel::ResizePatches,
            fields!(
                params::ResizePatches: scale, offset, channels, chroma, black, luma, is_yuv, taps, side, patch_side
            ),
        ),
        (Kernel::Planes, fields!(params::Planes: start, side, patch_side)),
        (
            Kernel::Membrane { invocations: 256, near: 1 },
            fields!(params::Membrane: side, patch_side, masked, coarser, far, tolerance),
        ),
        (Kernel::Composite, fields!(params::Composite: scale, side, patch_side)),
        (Kernel::Copy, fields!(params::Copying: vectors)),
        (Kernel::FmaRate, fields!(params::FmaRate: factor, summand)),
    ]
}

fn block(product: Product) -> Kernel {
    Kernel::Block { shape: BlockShape { width: 16, heads: 1, hidden: 16 }, product, tokens: 1 }
}

fn module(kernel: Kernel) -> Module {
    let source = kernel.shader().for_naga();
    wgsl::parse_str(&source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&source)))
}

#[test]
fn each_is_valid_for_every_gpu_and_for_the_richest_or_needs_what_it_says() {
    // what widens f16 that is packed into a word is no feature: WebGPU has it, and Vulkan without its f16
    let floor = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    for (kernel, _) in all() {
        let needs = match kernel {
            Kernel::LinearF16 { .. } => Capabilities::SHADER_FLOAT16,
            Kernel::Quantize { subgroups: true }
            | Kernel::LayerNorm { subgroups: true }
            | Kernel::LayerNormInt8 { subgroups: true } => Capabilities::SUBGROUP,
            _ => Capabilities::empty(),
        };
        let validate = |capabilities| {
            let valid = Validator::new(ValidationFlags::all(), capabilities).validate(&module(kernel));
            valid.map(drop).map_err(|error| format!("{}: {:?}", kernel.shader().name, error.into_inner()))
        };
        for capabilities in [floor | needs, Capabilities::all()] {
            validate(capabilities).unwrap();
        }
        assert_eq!(validate(floor).is_ok(), needs.is_empty(), "{}", kernel.shader().name);
    }
}

#[test]
fn each_has_the_parameters_that_the_host_writes() {
    for (kernel, (expected, size)) in all() {
        let module = module(kernel);
        let uniform = module.global_variables.iter().find(|(_, variable)| variable.space == AddressSpace::Uniform);
        let TypeInner::Struct { members, span } = &module.types[uniform.unwrap().1.ty].inner else { panic!() };
        let got: Vec<(&str, usize)> =
            members.iter().map(|member| (member.name.as_deref().unwrap(), member.offset as usize)).collect();
        assert_eq!((got, *span as usize), (expected, size), "{}", kernel.shader().name);
    }
}

#[test]
fn each_has_an_entry_of_its_own_name_and_no_more_buffers_than_every_gpu_binds() {
    for (kernel, _) in all() {
        let module = module(kernel);
        assert_eq!(module.entry_points.len(), 1);
        assert_eq!(module.entry_points[0].name, kernel.shader().name);
        let storage =
            module.global_variables.iter().filter(|(_, v)| matches!(v.space, AddressSpace::Storage { .. })).count();
        assert!((1..=4).contains(&storage), "{}: {storage}", kernel.shader().name);
    }
}

#[test]
fn each_has_as_many_invocations_as_the_host_counts_on() {
    for (kernel, _) in all() {
        let name = kernel.shader().name;
        let [x, y, z] = module(kernel).entry_points[0].workgroup_size;
        let expected = match kernel {
            Kernel::Place
            | Kernel::Restore
            | Kernel::ResizeRows
            | Kernel::ResizePatches
            | Kernel::Planes
            | Kernel::Composite
            | Kernel::Copy
            | Kernel::FmaRate => [LINE, 1, 1],
            // a row's width, an override constant, in four rows of blocks of four
            Kernel::Block { .. } => {
                let rows = format!("const ROWS: u32 = {BLOCK_ROWS}u;");
                assert!([&rows, "@workgroup_size(WIDTH)"].iter().all(|text| kernel.shader().source.contains(text)));
                [x, 1, 1]
            }
            // a query four times, for so many groups of keys, an override constant
            Kernel::Attention { .. } => [4, QUERIES, z],
            // a workgroup a row; or, of the membrane, one, of an override constant's size
            Kernel::Quantize { .. }
            | Kernel::LayerNorm { .. }
            | Kernel::LayerNormInt8 { .. }
            | Kernel::Membrane { .. } => [x, 1, 1],
            // the tile's side, and groups that share summands: override constants
            Kernel::Linear { .. } | Kernel::LinearF16 { .. } | Kernel::LinearInt8 { .. } => [x, y, z],
        };
        assert_eq!([x, y, z], expected, "{name}");
        assert!(x * y * z <= 256, "{name}");
    }
}

/// Where statements store to.
fn stores(block: &Block, found: &mut Vec<Handle<Expression>>) {
    for statement in block {
        match statement {
            Statement::Store { pointer, .. } => found.push(*pointer),
            Statement::Block(block) => stores(block, found),
            Statement::If { accept, reject, .. } => [accept, reject].into_iter().for_each(|block| stores(block, found)),
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| stores(&case.body, found)),
            Statement::Loop { body, continuing, .. } => {
                stores(body, found);
                stores(continuing, found);
            }
            _ => {}
        }
    }
}

/// To write a part of a vector may write all of it: where several invocations do so, it is a race on some GPUs, of which Vulkan's are
/// none.
#[test]
fn none_writes_a_part_of_a_vector_that_invocations_share() {
    let race = "var<workgroup> v: vec4<f32>; @compute @workgroup_size(4) fn f(@builtin(local_invocation_index) i: u32) { v[i] = 1.0; }";
    let race = ("race".to_owned(), wgsl::parse_str(race).unwrap());
    let all = all().into_iter().map(|(kernel, _)| (kernel.shader().name.to_owned(), module(kernel)));
    let mut with_parts = Vec::new();
    for (name, module) in all.chain([race]) {
        let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).unwrap();
        let functions = module.functions.iter().map(|(handle, function)| (&info[handle], function));
        let entry = (info.get_entry_point(0), &module.entry_points[0].function);
        for (info, function) in functions.chain([entry]) {
            let mut found = Vec::new();
            stores(&function.body, &mut found);
            let is_shared_part = |at: &Handle<Expression>| {
                let shared =
                    |space: AddressSpace| matches!(space, AddressSpace::WorkGroup | AddressSpace::Storage { .. });
                matches!(info[*at].ty.inner_with(&module.types), TypeInner::ValuePointer { size: None, space, .. } if shared(*space))
            };
            with_parts.extend(found.iter().any(is_shared_part).then(|| name.clone()));
        }
    }
    assert_eq!(with_parts, ["race"]);
}

/// A file takes in no other one: what several say is held alike here.
#[test]
fn what_several_files_say_is_the_same_in_each() {
    let [norm, norm_subgroups] = [false, true].map(|subgroups| Kernel::LayerNorm { subgroups });
    let [bytes, bytes_subgroups] = [false, true].map(|subgroups| Kernel::LayerNormInt8 { subgroups });
    let [quantize, quantize_subgroups] = [false, true].map(|subgroups| Kernel::Quantize { subgroups });
    let linear = Kernel::Linear { form: Form::F32, tile: TILE };
    let products = [linear, Kernel::LinearF16 { side: 8 }, Kernel::LinearInt8 { tile: TILE }];
    let blocks = [Product::Wide(Form::F32), Product::Bytes].map(block);
    for (from, to, kernels) in [
        ("// x · ½", "", &[&products[..], &blocks].concat()[..]),
        ("// A sum and four products", "// ", &[linear, blocks[0]]),
        ("// Four bytes of a row", "// ", &[products[2], blocks[1]]),
        ("override WIDTH", "// vectors of a layer", &blocks),
        ("struct Params", "// the rest's", &blocks),
        ("    let row = group.x", "// What a layer reads, four values of", &blocks),
        ("    let scale = (range", "let zero =", &[quantize, blocks[1]]),
        ("    let block = first_block + place.x;\n", "// Four values", &products[..2]),
        ("// A value to where", "// x · ½", &products[..]),
        ("// The sum over all", "", &[norm, bytes]),
        ("// The `at`-th sum", "", &[norm_subgroups, bytes_subgroups]),
        ("// Four values of a row", "// The", &[bytes, bytes_subgroups]),
        ("    least = min(least, least.zwxy);", "most.zwxy);", &[quantize, quantize_subgroups, bytes, bytes_subgroups]),
        ("    let scale = (range", "let zero =", &[quantize, quantize_subgroups, bytes, bytes_subgroups]),
        ("    let own = vec2", "let scale", &[quantize_subgroups, bytes_subgroups]),
        ("    // a vector of scale and zero", "// Four", &[bytes, bytes_subgroups]),
    ] {
        let part = |kernel: &Kernel| {
            let (_, rest) = kernel.shader().source.split_once(from).unwrap_or_else(|| panic!("{kernel:?}: {from}"));
            if to.is_empty() { rest } else { rest.split_once(to).unwrap_or_else(|| panic!("{kernel:?}: {to}")).0 }
        };
        let parts: Vec<&str> = kernels.iter().map(part).collect();
        assert!(parts.iter().all(|other| !other.trim().is_empty() && *other == parts[0]), "{from}: {parts:#?}");
    }
}

#[test]
fn every_file_is_a_kernel() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut known: Vec<&str> = all().iter().map(|(kernel, _)| kernel.shader().name).collect();
    files.sort();
    known.sort_unstable();
    assert_eq!(files, known);
}
