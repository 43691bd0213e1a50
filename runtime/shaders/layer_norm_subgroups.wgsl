// Layer norm: out[r, c] = (x[r, c] − mean[r]) / √(variance[r] + epsilon) · weight[c] + bias[c], the variance the biased one.
//
// As `layer_norm`, with sums over a subgroup, of whatever size, and then over the workgroup's subgroups. Twin:
// `reference::layer_norm`.

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
// [rows, width]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

// a subgroup has 4 invocations at least; each sum has places of its own, so that none waits for the last to be read
const SUBGROUPS: u32 = INVOCATIONS / 4u;
var<workgroup> partial: array<f32, 2u * SUBGROUPS>;

@compute @workgroup_size(INVOCATIONS)
fn layer_norm_subgroups(
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
    for (var i = index; i < blocks; i += INVOCATIONS) {
        out[start + i] = fma((x[start + i] - mean) * factor, affine[i], affine[blocks + i]);
    }
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
