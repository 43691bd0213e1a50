// The picture: what was visible as it was, what was hidden painted upon its base: base + scale · painted, rounded to bytes.
//
// An invocation makes a pixel. Twin: `reference::composite`.

struct Params {
    // grey levels of a painted value's 1, for each channel
    scale: vec4<f32>,
    // of the image and of a patch, in pixels
    side: u32,
    patch_side: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// grey levels, and 1 where hidden: [side, side], and what follows it
@group(0) @binding(1) var<storage, read> base: array<vec4<f32>>;
// [patches, patch · patch · 3]
@group(0) @binding(2) var<storage, read> painted: array<f32>;
// four bytes to a pixel, the last of them 255: [side, side]
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn composite(@builtin(global_invocation_id) at: vec3<u32>) {
    if at.x >= params.side {
        return;
    }
    let place = at.y * params.side + at.x;
    var value = base[place];
    if value.w > 0.0 {
        let patch_index = at.y / params.patch_side * (params.side / params.patch_side) + at.x / params.patch_side;
        let inside = at.y % params.patch_side * params.patch_side + at.x % params.patch_side;
        let first = 3u * (patch_index * params.patch_side * params.patch_side + inside);
        let answer = vec3<f32>(painted[first], painted[first + 1u], painted[first + 2u]);
        value = vec4<f32>(value.xyz + params.scale.xyz * answer, 1.0);
    }
    let bytes = vec3<u32>(clamp(floor(value.xyz + 0.5), vec3<f32>(), vec3<f32>(255.0)));
    out[place] = pack4xU8(vec4<u32>(bytes, 255u));
}
