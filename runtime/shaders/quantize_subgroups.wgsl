// Rows to bytes: x[r, k] ≈ scale[r] · (byte[r, k] − zero[r]), each byte less 128 so that it has a sign.
//
// The range reaches from the row's least to its greatest value, and always holds 0. As `quantize`,
// with ranges over a subgroup, of whatever size, and then over the workgroup's subgroups. Twin: `glimpse_kernels::int8::quantize`.

enable subgroups;

const INVOCATIONS: u32 = 64u;

struct Params {
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows, width]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
// [rows, 1 + ⌈width / 16⌉]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>;

// the least of a subgroup, which has 4 invocations at least, and the greatest
var<workgroup> ranges: array<vec2<f32>, INVOCATIONS / 4u>;

@compute @workgroup_size(INVOCATIONS)
fn quantize_subgroups(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let blocks = params.width / 4u;
    let start = group.x * blocks;
    var least = vec4<f32>();
    var most = vec4<f32>();
    for (var i = index; i < blocks; i += INVOCATIONS) {
        least = min(least, x[start + i]);
        most = max(most, x[start + i]);
    }
    least = min(least, least.zwxy);
    most = max(most, most.zwxy);
    let own = vec2<f32>(subgroupMin(min(least.x, least.y)), subgroupMax(max(most.x, most.y)));
    if lane == 0u {
        ranges[subgroup] = own;
    }
    workgroupBarrier();
    var range = ranges[0];
    for (var i = 1u; i < subgroups; i += 1u) {
        range = vec2<f32>(min(range.x, ranges[i].x), max(range.y, ranges[i].y));
    }
    let scale = (range.y - range.x) / 255.0;
    var inverse = 0.0;
    if scale > 0.0 {
        inverse = 1.0 / scale;
    }
    let zero = round(-range.x * inverse);
    let vectors = (blocks + 3u) / 4u;
    let begin = group.x * (vectors + 1u);
    if index == 0u {
        out[begin] = vec4<u32>(bitcast<u32>(scale), bitcast<u32>(i32(zero) - 128), 0u, 0u);
    }
    for (var i = index; i < vectors; i += INVOCATIONS) {
        var words = vec4<u32>();
        for (var word = 0u; word < 4u; word += 1u) {
            if 4u * i + word < blocks {
                let value = round(fma(x[start + 4u * i + word], vec4<f32>(inverse), vec4<f32>(zero)));
                words[word] = pack4xI8(vec4<i32>(clamp(value, vec4<f32>(), vec4<f32>(255.0))) - 128);
            }
        }
        out[begin + 1u + i] = words;
    }
}
