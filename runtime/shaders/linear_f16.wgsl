// A linear layer with what follows it, multiplied in f16: out[r, c] = finish(Σₖ x[first + r, k] · w[k, c] · scale[c] + bias[c]).
//
// As `linear`, with x and w as f16. STEP products are added in f16, those sums in f32: so an error does not grow with the
// layer's width. Twin: `reference::linear`, `reference::gelu`.

enable f16;

// Invocations along a side of the tile.
override SIDE: u32 = 8u;

const STEP: u32 = 16u;
const GELU: u32 = 1u;
const RESIDUAL: u32 = 2u;

struct Params {
    rows: u32,
    inputs: u32,
    outputs: u32,
    // the first row of x that is read
    first: u32,
    // GELU: the answer goes through it; RESIDUAL: what stands in out is added to the answer
    finish: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [first + rows, inputs]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
// four columns to a vector, two rows of a block one after the other: [inputs / 2, outputs / 4, 2]
@group(0) @binding(2) var<storage, read> weights: array<vec4<f16>>;
// scale and bias: [outputs]
@group(0) @binding(3) var<storage, read> columns: array<vec2<f32>>;
// [rows, outputs]
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

// four of k to a vector, a vector more to a row so that rows lie in other banks
var<workgroup> x_tile: array<vec4<f16>, 4u * SIDE * (STEP / 4u + 1u)>;
// four columns to a vector
var<workgroup> w_tile: array<vec4<f16>, STEP * SIDE>;

@compute @workgroup_size(SIDE, SIDE)
fn linear_f16(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) place: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let invocations = SIDE * SIDE;
    let first_row = group.y * 4u * SIDE;
    let first_block = group.x * SIDE;
    let blocks = params.outputs / 4u;
    let x_blocks = params.inputs / 4u;

    var sums = array<vec4<f32>, 4>();
    for (var k = 0u; k < params.inputs; k += STEP) {
        // rows of x
        for (var i = index; i < 4u * SIDE * (STEP / 4u); i += invocations) {
            let row = i / (STEP / 4u);
            let block = i % (STEP / 4u);
            var value = vec4<f16>();
            if first_row + row < params.rows && k / 4u + block < x_blocks {
                value = vec4<f16>(x[(params.first + first_row + row) * x_blocks + k / 4u + block]);
            }
            x_tile[row * (STEP / 4u + 1u) + block] = value;
        }
        // rows of w
        for (var i = index; i < STEP * SIDE; i += invocations) {
            let block = first_block + i % SIDE;
            let row = k + i / SIDE;
            var value = vec4<f16>();
            if block < blocks && row < params.inputs {
                value = weights[(row / 2u * blocks + block) * 2u + row % 2u];
            }
            w_tile[i] = value;
        }
        workgroupBarrier();
        var part = array<vec4<f16>, 4>();
        for (var block = 0u; block < STEP / 4u; block += 1u) {
            let w0 = w_tile[(4u * block) * SIDE + place.x];
            let w1 = w_tile[(4u * block + 1u) * SIDE + place.x];
            let w2 = w_tile[(4u * block + 2u) * SIDE + place.x];
            let w3 = w_tile[(4u * block + 3u) * SIDE + place.x];
            for (var i = 0u; i < 4u; i += 1u) {
                let value = x_tile[(4u * place.y + i) * (STEP / 4u + 1u) + block];
                part[i] = fma(vec4<f16>(value.x), w0, part[i]);
                part[i] = fma(vec4<f16>(value.y), w1, part[i]);
                part[i] = fma(vec4<f16>(value.z), w2, part[i]);
                part[i] = fma(vec4<f16>(value.w), w3, part[i]);
            }
        }
        for (var i = 0u; i < 4u; i += 1u) {
            sums[i] += vec4<f32>(part[i]);
        }
        workgroupBarrier();
    }

    let block = first_block + place.x;
    if block >= blocks {
        return;
    }
    let c0 = columns[4u * block];
    let c1 = columns[4u * block + 1u];
    let c2 = columns[4u * block + 2u];
    let c3 = columns[4u * block + 3u];
    let scale = vec4<f32>(c0.x, c1.x, c2.x, c3.x);
    let bias = vec4<f32>(c0.y, c1.y, c2.y, c3.y);
    for (var i = 0u; i < 4u; i += 1u) {
        let row = first_row + 4u * place.y + i;
        if row < params.rows {
            var value = fma(sums[i], scale, bias);
            if (params.finish & GELU) != 0u {
                value = gelu(value);
            }
            if (params.finish & RESIDUAL) != 0u {
                value += out[row * blocks + block];
            }
            out[row * blocks + block] = value;
        }
    }
}

// x · ½ · (1 + erf(x / √2)), to 2e-7 of x; erf is Abramowitz and Stegun's 7.1.26.
fn gelu(x: vec4<f32>) -> vec4<f32> {
    let y = abs(x) * 0.70710678;
    let t = 1.0 / fma(vec4<f32>(0.3275911), y, vec4<f32>(1.0));
    var tail = fma(t, vec4<f32>(1.061405429), vec4<f32>(-1.453152027));
    tail = fma(t, tail, vec4<f32>(1.421413741));
    tail = fma(t, tail, vec4<f32>(-0.284496736));
    tail = fma(t, tail, vec4<f32>(0.254829592));
    tail = 0.5 * t * tail * exp(-y * y);
    // the area below −|x|; above 0 it is what is left of 1
    return x * select(1.0 - tail, tail, x < vec4<f32>());
}
