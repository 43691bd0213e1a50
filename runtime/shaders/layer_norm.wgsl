// Layer norm: out[r, c] = (x[r, c] − mean[r]) / √(variance[r] + epsilon) · weight[c] + bias[c], the variance the biased one.
//
// A workgroup normalizes a row. Twin: `reference::layer_norm`.

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
// [rows, width]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

var<workgroup> partial: array<f32, INVOCATIONS>;

@compute @workgroup_size(INVOCATIONS)
fn layer_norm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
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
    for (var i = index; i < blocks; i += INVOCATIONS) {
        out[start + i] = fma((x[start + i] - mean) * factor, affine[i], affine[blocks + i]);
    }
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
