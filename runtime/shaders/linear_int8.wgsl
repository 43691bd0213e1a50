// A linear layer of bytes with what follows it: out[r, c] = finish(scale[r] · scale[c] · Σₖ (x[r, k] − zero[r]) · w[k, c] + bias[c]).
//
// A workgroup computes a tile of 4·SIDE rows by 4·SIDE columns, each invocation 4 × 4 of it; x and w come through workgroup
// memory, STEP values of k at a time. Sums are exact. Twin: `glimpse_kernels::int8::linear`.

// Invocations along a side of the tile.
override SIDE: u32 = 8u;

// four bytes to a word
const WORDS: u32 = 16u;
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
// as `quantize` gives it: [first + rows, 1 + ⌈inputs / 16⌉]
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
// four of k to a word, four columns to a vector: [inputs / 4, outputs / 4]
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
// scale, bias, and the sum of the column's weights, an i32: [outputs]
@group(0) @binding(3) var<storage, read> columns: array<vec4<f32>>;
// [rows, outputs]
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

// four words to a vector, a vector more to a row so that rows lie in other banks
var<workgroup> x_tile: array<vec4<u32>, 4u * SIDE * (WORDS / 4u + 1u)>;
var<workgroup> w_tile: array<vec4<u32>, WORDS * SIDE>;

@compute @workgroup_size(SIDE, SIDE)
fn linear_int8(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) place: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let invocations = SIDE * SIDE;
    let first_row = group.y * 4u * SIDE;
    let first_block = group.x * SIDE;
    let blocks = params.outputs / 4u;
    let words = params.inputs / 4u;
    let vectors = (words + 3u) / 4u;

    var sums = array<vec4<i32>, 4>();
    for (var word = 0u; word < words; word += WORDS) {
        for (var i = index; i < 4u * SIDE * (WORDS / 4u); i += invocations) {
            let row = i / (WORDS / 4u);
            let vector = word / 4u + i % (WORDS / 4u);
            var value = vec4<u32>();
            if first_row + row < params.rows && vector < vectors {
                value = x[(params.first + first_row + row) * (vectors + 1u) + 1u + vector];
            }
            x_tile[row * (WORDS / 4u + 1u) + i % (WORDS / 4u)] = value;
        }
        for (var i = index; i < WORDS * SIDE; i += invocations) {
            let block = first_block + i % SIDE;
            var value = vec4<u32>();
            if block < blocks && word + i / SIDE < words {
                value = weights[(word + i / SIDE) * blocks + block];
            }
            w_tile[i] = value;
        }
        workgroupBarrier();
        for (var vector = 0u; vector < WORDS / 4u; vector += 1u) {
            let w0 = w_tile[(4u * vector) * SIDE + place.x];
            let w1 = w_tile[(4u * vector + 1u) * SIDE + place.x];
            let w2 = w_tile[(4u * vector + 2u) * SIDE + place.x];
            let w3 = w_tile[(4u * vector + 3u) * SIDE + place.x];
            for (var i = 0u; i < 4u; i += 1u) {
                let value = x_tile[(4u * place.y + i) * (WORDS / 4u + 1u) + vector];
                sums[i] += products(value.x, w0) + products(value.y, w1) + products(value.z, w2) + products(value.w, w3);
            }
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
    let weight_sums = bitcast<vec4<i32>>(vec4<f32>(c0.z, c1.z, c2.z, c3.z));
    for (var i = 0u; i < 4u; i += 1u) {
        let row = first_row + 4u * place.y + i;
        if row < params.rows {
            let head = x[(params.first + row) * (vectors + 1u)];
            let sum = vec4<f32>(sums[i] - bitcast<i32>(head.y) * weight_sums);
            var value = fma(sum * bitcast<f32>(head.x), scale, bias);
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

// Four bytes of a row times those of four columns.
fn products(x: u32, w: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot4I8Packed(x, w.x), dot4I8Packed(x, w.y), dot4I8Packed(x, w.z), dot4I8Packed(x, w.w));
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
