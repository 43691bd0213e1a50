// Layer norm to bytes: y[r, c] = (x[r, c] − mean[r]) / √(variance[r] + epsilon) · weight[c] + bias[c], and then
// y[r, k] ≈ scale[r] · (byte[r, k] − zero[r]), each byte less 128 so that it has a sign.
//
// As `layer_norm_int8`, with sums and ranges over a subgroup, of whatever size, and then over the workgroup's subgroups:
// `layer_norm` and `quantize` in one, without the row between them. Twin: `reference::layer_norm`,
// `glimpse_kernels::int8::quantize`.

enable subgroups;

const INVOCATIONS: u32 = 64u;

struct Params {
    width: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows, width]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
// weight, then bias: [2, width]
@group(0) @binding(2) var<storage, read> affine: array<vec4<f32>>;
// as `quantize` gives it, a word at a time: [rows, 4 + 4·⌈width / 16⌉]
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

// a subgroup has 4 invocations at least; each sum has places of its own, so that none waits for the last to be read
const SUBGROUPS: u32 = INVOCATIONS / 4u;
var<workgroup> partial: array<f32, 2u * SUBGROUPS>;
// the least of a subgroup, and the greatest
var<workgroup> ranges: array<vec2<f32>, SUBGROUPS>;

@compute @workgroup_size(INVOCATIONS)
fn layer_norm_int8_subgroups(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let blocks = params.width / 4u;
    let start = group.x * blocks;
    var sum = vec4<f32>();
    for (var i = index; i < blocks; i += INVOCATIONS) {
        sum += x[start + i];
    }
    let mean = total(0u, lane, subgroup, subgroups, sum) / f32(params.width);
    var squares = vec4<f32>();
    for (var i = index; i < blocks; i += INVOCATIONS) {
        let centred = x[start + i] - mean;
        squares = fma(centred, centred, squares);
    }
    let variance = total(1u, lane, subgroup, subgroups, squares) / f32(params.width);
    let factor = 1.0 / sqrt(variance + params.epsilon);

    var least = vec4<f32>();
    var most = vec4<f32>();
    for (var i = index; i < blocks; i += INVOCATIONS) {
        let value = normalized(start, i, mean, factor);
        least = min(least, value);
        most = max(most, value);
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
    // a vector of scale and zero, then the row, zeros after its last word
    let words = 4u * ((blocks + 3u) / 4u);
    let begin = group.x * (words + 4u);
    if index < 4u {
        out[begin + index] = vec4<u32>(bitcast<u32>(scale), bitcast<u32>(i32(zero) - 128), 0u, 0u)[index];
    }
    for (var i = index; i < words; i += INVOCATIONS) {
        var word = 0u;
        if i < blocks {
            let value = round(fma(normalized(start, i, mean, factor), vec4<f32>(inverse), vec4<f32>(zero)));
            word = pack4xI8(vec4<i32>(clamp(value, vec4<f32>(), vec4<f32>(255.0))) - 128);
        }
        out[begin + 4u + i] = word;
    }
}

// Four values of a row, normalized.
fn normalized(start: u32, block: u32, mean: f32, factor: f32) -> vec4<f32> {
    return fma((x[start + block] - mean) * factor, affine[block], affine[params.width / 4u + block]);
}

// The `at`-th sum over all invocations, for each of them.
fn total(at: u32, lane: u32, subgroup: u32, subgroups: u32, value: vec4<f32>) -> f32 {
    let own = subgroupAdd(dot(value, vec4<f32>(1.0)));
    if lane == 0u {
        partial[at * SUBGROUPS + subgroup] = own;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < subgroups; i += 1u) {
        sum += partial[at * SUBGROUPS + i];
    }
    return sum;
}
