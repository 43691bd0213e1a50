// Visible patches, normalized: out[i, y, x, c] = scale[c] · image[patch positions[i], y, x, c] + offset[c].
//
// An invocation makes a pixel. Twin: `reference::patchify` of `reference::normalize`.

struct Params {
    scale: vec4<f32>,
    offset: vec4<f32>,
    // of the image and of a patch, in pixels
    side: u32,
    patch_side: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// four bytes to a pixel: [side, side]
@group(0) @binding(1) var<storage, read> image: array<u32>;
// [patches]
@group(0) @binding(2) var<storage, read> positions: array<u32>;
// [patches, patch · patch · 3]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn patchify(@builtin(global_invocation_id) at: vec3<u32>) {
    let pixels = params.patch_side * params.patch_side;
    if at.x >= pixels {
        return;
    }
    let columns = params.side / params.patch_side;
    let position = positions[at.y];
    let y = position / columns * params.patch_side + at.x / params.patch_side;
    let x = position % columns * params.patch_side + at.x % params.patch_side;
    let bytes = vec4<f32>(unpack4xU8(image[y * params.side + x]));
    let value = bytes * params.scale + params.offset;
    let place = 3u * (at.y * pixels + at.x);
    out[place] = value.x;
    out[place + 1u] = value.y;
    out[place + 2u] = value.z;
}
