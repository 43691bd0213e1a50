// A linear layer with what follows it: out[r, c] = finish(Σₖ x[first + r, k] · w[k, c] · scale[c] + bias[c]).
//
// A workgroup computes a tile of 4·SIDE rows by 4·SIDE columns, each invocation 4 × 4 of it; x and w come through workgroup
// memory, STEP values of k at a time. Twin: `reference::linear`, `reference::gelu`.

// The form of the weights, in blocks of 4 columns: 0 is f32, a vector for each k; 1 is f16, a vector for two of k, first
// those of the even one; 2 is int8, a vector for four of k, a word each.
override FORM: u32 = 0u;
// Invocations along a side of the tile.
override SIDE: u32 = 8u;
// Groups of invocations that share a value's summands, where there are too few tiles to keep a GPU busy.
override SPLIT: u32 = 1u;

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
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
// scale and bias: [outputs]
@group(0) @binding(3) var<storage, read> columns: array<vec2<f32>>;
// [rows, outputs]
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

// four of k to a vector, a vector more to a row so that rows lie in other banks
var<workgroup> x_tile: array<array<vec4<f32>, STEP / 4u + 1u>, 4u * SIDE * SPLIT>;
// four columns to a vector, k by k; likewise
var<workgroup> w_tile: array<array<vec4<f32>, STEP + 1u>, SIDE * SPLIT>;

// Indices into an invocation's own values are constants, or drivers keep these in memory: four to five times slower on an H200.
@compute @workgroup_size(SIDE, SIDE, SPLIT)
fn linear(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) place: vec3<u32>,
) {
    let index = place.y * SIDE + place.x;
    // a group's tiles
    let x_start = place.z * 4u * SIDE;
    let w_start = place.z * SIDE;
    let start = place.z * STEP;
    let first_row = group.y * 4u * SIDE;
    let first_block = group.x * SIDE;
    let blocks = params.outputs / 4u;

    // what an invocation brings: at SIDE 8, a second row of x, and a second k of f32 weights
    let x_row = index / (STEP / 4u);
    let x_block = index % (STEP / 4u);
    let w_row = (index / SIDE) << FORM;
    let w_block = index % SIDE;
    var x0 = x_vector(first_row + x_row, start / 4u + x_block);
    var x1 = x_vector(first_row + x_row + 16u, start / 4u + x_block);
    var w0 = w_words(start + w_row, first_block + w_block);
    var w1 = w_words(start + w_row + SIDE, first_block + w_block);
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var k = 0u; k < params.inputs; k += STEP * SPLIT) {
        x_tile[x_start + x_row][x_block] = x0;
        if SIDE < 16u {
            x_tile[x_start + x_row + 16u][x_block] = x1;
        }
        if w_row < STEP {
            if FORM == 0u {
                w_tile[w_start + w_block][w_row] = bitcast<vec4<f32>>(w0);
                if SIDE < 16u {
                    w_tile[w_start + w_block][w_row + SIDE] = bitcast<vec4<f32>>(w1);
                }
            } else if FORM == 1u {
                w_tile[w_start + w_block][w_row] = vec4<f32>(unpack2x16float(w0.x), unpack2x16float(w0.y));
                w_tile[w_start + w_block][w_row + 1u] = vec4<f32>(unpack2x16float(w0.z), unpack2x16float(w0.w));
            } else {
                w_tile[w_start + w_block][w_row] = vec4<f32>(unpack4xI8(w0.x));
                w_tile[w_start + w_block][w_row + 1u] = vec4<f32>(unpack4xI8(w0.y));
                w_tile[w_start + w_block][w_row + 2u] = vec4<f32>(unpack4xI8(w0.z));
                w_tile[w_start + w_block][w_row + 3u] = vec4<f32>(unpack4xI8(w0.w));
            }
        }
        workgroupBarrier();
        // the next ones come while these are multiplied
        let next = k + STEP * SPLIT + start;
        x0 = x_vector(first_row + x_row, next / 4u + x_block);
        w0 = w_words(next + w_row, first_block + w_block);
        if SIDE < 16u {
            x1 = x_vector(first_row + x_row + 16u, next / 4u + x_block);
            w1 = w_words(next + w_row + SIDE, first_block + w_block);
        }
        let row = x_start + 4u * place.y;
        var w = four(w_start + place.x, 0u);
        sum0 = added(sum0, x_tile[row][0], w);
        sum1 = added(sum1, x_tile[row + 1u][0], w);
        sum2 = added(sum2, x_tile[row + 2u][0], w);
        sum3 = added(sum3, x_tile[row + 3u][0], w);
        w = four(w_start + place.x, 4u);
        sum0 = added(sum0, x_tile[row][1], w);
        sum1 = added(sum1, x_tile[row + 1u][1], w);
        sum2 = added(sum2, x_tile[row + 2u][1], w);
        sum3 = added(sum3, x_tile[row + 3u][1], w);
        w = four(w_start + place.x, 8u);
        sum0 = added(sum0, x_tile[row][2], w);
        sum1 = added(sum1, x_tile[row + 1u][2], w);
        sum2 = added(sum2, x_tile[row + 2u][2], w);
        sum3 = added(sum3, x_tile[row + 3u][2], w);
        w = four(w_start + place.x, 12u);
        sum0 = added(sum0, x_tile[row][3], w);
        sum1 = added(sum1, x_tile[row + 1u][3], w);
        sum2 = added(sum2, x_tile[row + 2u][3], w);
        sum3 = added(sum3, x_tile[row + 3u][3], w);
        workgroupBarrier();
    }

    // the first group takes the others' sums, a group at a time
    for (var other = 1u; other < SPLIT; other += 1u) {
        if place.z == other {
            x_tile[index][0] = sum0;
            x_tile[index][1] = sum1;
            x_tile[index][2] = sum2;
            x_tile[index][3] = sum3;
        }
        workgroupBarrier();
        if place.z == 0u {
            sum0 += x_tile[index][0];
            sum1 += x_tile[index][1];
            sum2 += x_tile[index][2];
            sum3 += x_tile[index][3];
        }
        workgroupBarrier();
    }
    if place.z != 0u {
        return;
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
    let row = first_row + 4u * place.y;
    give(row, block, fma(sum0, scale, bias));
    give(row + 1u, block, fma(sum1, scale, bias));
    give(row + 2u, block, fma(sum2, scale, bias));
    give(row + 3u, block, fma(sum3, scale, bias));
}

// Four values of a row of x, from the block-th vector on; zeros beyond its ends.
fn x_vector(row: u32, block: u32) -> vec4<f32> {
    let x_blocks = params.inputs / 4u;
    if row < params.rows && block < x_blocks {
        return x[(params.first + row) * x_blocks + block];
    }
    return vec4<f32>();
}

// The weights of k, and of as many more as the form has in a vector, for a block of columns; zeros beyond the ends.
fn w_words(k: u32, block: u32) -> vec4<u32> {
    let blocks = params.outputs / 4u;
    if block < blocks && k < params.inputs {
        return weights[(k >> FORM) * blocks + block];
    }
    return vec4<u32>();
}

// The tile's weights of four of k, a vector each.
fn four(block: u32, k: u32) -> mat4x4<f32> {
    return mat4x4<f32>(w_tile[block][k], w_tile[block][k + 1u], w_tile[block][k + 2u], w_tile[block][k + 3u]);
}

// A sum and four products more.
fn added(sum: vec4<f32>, x: vec4<f32>, w: mat4x4<f32>) -> vec4<f32> {
    let two = fma(vec4<f32>(x.y), w[1], fma(vec4<f32>(x.x), w[0], sum));
    return fma(vec4<f32>(x.w), w[3], fma(vec4<f32>(x.z), w[2], two));
}

// A value to where it belongs, with what follows the layer.
fn give(row: u32, block: u32, sum: vec4<f32>) {
    if row >= params.rows {
        return;
    }
    let at = row * (params.outputs / 4u) + block;
    var value = sum;
    if (params.finish & GELU) != 0u {
        value = gelu(value);
    }
    if (params.finish & RESIDUAL) != 0u {
        value += out[at];
    }
    out[at] = value;
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
