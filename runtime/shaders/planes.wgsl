// An image's pixels in grey levels, a hidden patch's all alike: out[y, x] = (r, g, b, 0), or (start, 1) where hidden.
//
// An invocation makes a pixel. Twin: `reference::planes`.

struct Params {
    start: vec4<f32>,
    // of the image and of a patch, in pixels
    side: u32,
    patch_side: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// four bytes to a pixel: [side, side]
@group(0) @binding(1) var<storage, read> image: array<u32>;
// 0 at a masked place: [patches]
@group(0) @binding(2) var<storage, read> order: array<u32>;
// [side, side], and what follows it
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn planes(@builtin(global_invocation_id) at: vec3<u32>) {
    if at.x >= params.side {
        return;
    }
    let place = at.y * params.side + at.x;
    let patch_index = at.y / params.patch_side * (params.side / params.patch_side) + at.x / params.patch_side;
    if order[patch_index] == 0u {
        out[place] = vec4<f32>(params.start.xyz, 1.0);
    } else {
        out[place] = vec4<f32>(vec3<f32>(unpack4xU8(image[place]).xyz), 0.0);
    }
}
