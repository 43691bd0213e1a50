// Layer norm to bytes: y[r, c] = (x[r, c] − mean[r]) / √(variance[r] + epsilon) · weight[c] + bias[c], and then
// y[r, k] ≈ scale[r] · (byte[r, k] − zero[r]), each byte less 128 so that it has a sign.
//
// A workgroup makes a row: `layer_norm` and `quantize` in one, without the row between them. Twin: `reference::layer_norm`,
// `glimpse_kernels::int8::quantize`.

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

var<workgroup> partial: array<f32, INVOCATIONS>;
// the least of the row so far, and the greatest
var<workgroup> ranges: array<vec2<f32>, INVOCATIONS>;

@compute @workgroup_size(INVOCATIONS)
fn layer_norm_int8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let blocks = params.width / 4u;
    let start = group.x * blocks;
    var sum = vec4<f32>();
    for (var i = index; i < blocks; i += INVOCATIONS) {
        sum += x[start + i];
    }
    let mean = total(index, sum) / f32(params.width);
    var squares = vec4<f32>();
    for (var i = index; i < blocks; i += INVOCATIONS) {
        let centred = x[start + i] - mean;
        squares = fma(centred, centred, squares);
    }
    let variance = total(index, squares) / f32(params.width);
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
    ranges[index] = vec2<f32>(min(least.x, least.y), max(most.x, most.y));
    for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if index < half {
            let other = ranges[index + half];
            ranges[index] = vec2<f32>(min(ranges[index].x, other.x), max(ranges[index].y, other.y));
        }
    }
    let range = workgroupUniformLoad(&ranges[0]);
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

// The sum over all invocations, for each of them.
fn total(index: u32, value: vec4<f32>) -> f32 {
    partial[index] = dot(value, vec4<f32>(1.0));
    for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if index < half {
            partial[index] += partial[index + half];
        }
    }
    let sum = workgroupUniformLoad(&partial[0]);
    return sum;
}
