// A linear layer of bytes with what follows it: out[r, c] = finish(scale[r] · scale[c] · Σₖ (x[r, k] − zero[r]) · w[k, c] + bias[c]).
//
// A workgroup computes a tile of 4·SIDE rows by 4·SIDE columns, each invocation 4 × 4 of it; x and w come through workgroup
// memory, STEP values of k at a time. Sums are exact. Twin: `glimpse_kernels::int8::linear`.

// Invocations along a side of the tile.
override SIDE: u32 = 8u;
// Groups of invocations that share a value's summands, where there are too few tiles to keep a GPU busy.
override SPLIT: u32 = 1u;

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
var<workgroup> x_tile: array<array<vec4<u32>, WORDS / 4u + 1u>, 4u * SIDE * SPLIT>;
// four columns to a vector, word by word; likewise
var<workgroup> w_tile: array<array<vec4<u32>, WORDS + 1u>, SIDE * SPLIT>;

// The weights of four words, a vector each.
struct Four {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

// Indices into an invocation's own values are constants, or drivers keep these in memory: four to five times slower on an H200.
@compute @workgroup_size(SIDE, SIDE, SPLIT)
fn linear_int8(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) place: vec3<u32>,
) {
    let index = place.y * SIDE + place.x;
    // a group's tiles
    let x_start = place.z * 4u * SIDE;
    let w_start = place.z * SIDE;
    let start = place.z * WORDS;
    let first_row = group.y * 4u * SIDE;
    let first_block = group.x * SIDE;
    let blocks = params.outputs / 4u;
    let words = params.inputs / 4u;

    // what an invocation brings: at SIDE 8, a second row of x, and a second word
    let x_row = index / (WORDS / 4u);
    let x_block = index % (WORDS / 4u);
    let w_row = index / SIDE;
    let w_block = index % SIDE;
    var x0 = x_vector(first_row + x_row, start / 4u + x_block);
    var x1 = x_vector(first_row + x_row + 16u, start / 4u + x_block);
    var w0 = w_words(start + w_row, first_block + w_block);
    var w1 = w_words(start + w_row + SIDE, first_block + w_block);
    var sum0 = vec4<i32>();
    var sum1 = vec4<i32>();
    var sum2 = vec4<i32>();
    var sum3 = vec4<i32>();
    for (var word = 0u; word < words; word += WORDS * SPLIT) {
        x_tile[x_start + x_row][x_block] = x0;
        w_tile[w_start + w_block][w_row] = w0;
        if SIDE < 16u {
            x_tile[x_start + x_row + 16u][x_block] = x1;
            w_tile[w_start + w_block][w_row + SIDE] = w1;
        }
        workgroupBarrier();
        // the next ones come while these are multiplied
        let next = word + WORDS * SPLIT + start;
        x0 = x_vector(first_row + x_row, next / 4u + x_block);
        w0 = w_words(next + w_row, first_block + w_block);
        if SIDE < 16u {
            x1 = x_vector(first_row + x_row + 16u, next / 4u + x_block);
            w1 = w_words(next + w_row + SIDE, first_block + w_block);
        }
        let row = x_start + 4u * place.y;
        var w = four(w_start + place.x, 0u);
        sum0 += products(x_tile[row][0], w);
        sum1 += products(x_tile[row + 1u][0], w);
        sum2 += products(x_tile[row + 2u][0], w);
        sum3 += products(x_tile[row + 3u][0], w);
        w = four(w_start + place.x, 4u);
        sum0 += products(x_tile[row][1], w);
        sum1 += products(x_tile[row + 1u][1], w);
        sum2 += products(x_tile[row + 2u][1], w);
        sum3 += products(x_tile[row + 3u][1], w);
        w = four(w_start + place.x, 8u);
        sum0 += products(x_tile[row][2], w);
        sum1 += products(x_tile[row + 1u][2], w);
        sum2 += products(x_tile[row + 2u][2], w);
        sum3 += products(x_tile[row + 3u][2], w);
        w = four(w_start + place.x, 12u);
        sum0 += products(x_tile[row][3], w);
        sum1 += products(x_tile[row + 1u][3], w);
        sum2 += products(x_tile[row + 2u][3], w);
        sum3 += products(x_tile[row + 3u][3], w);
        workgroupBarrier();
    }

    // the first group takes the others' sums, a group at a time
    for (var other = 1u; other < SPLIT; other += 1u) {
        if place.z == other {
            x_tile[index][0] = bitcast<vec4<u32>>(sum0);
            x_tile[index][1] = bitcast<vec4<u32>>(sum1);
            x_tile[index][2] = bitcast<vec4<u32>>(sum2);
            x_tile[index][3] = bitcast<vec4<u32>>(sum3);
        }
        workgroupBarrier();
        if place.z == 0u {
            sum0 += bitcast<vec4<i32>>(x_tile[index][0]);
            sum1 += bitcast<vec4<i32>>(x_tile[index][1]);
            sum2 += bitcast<vec4<i32>>(x_tile[index][2]);
            sum3 += bitcast<vec4<i32>>(x_tile[index][3]);
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
    let weight_sums = bitcast<vec4<i32>>(vec4<f32>(c0.z, c1.z, c2.z, c3.z));
    let row = first_row + 4u * place.y;
    give(row, block, fma(freed(row, sum0, weight_sums), scale, bias));
    give(row + 1u, block, fma(freed(row + 1u, sum1, weight_sums), scale, bias));
    give(row + 2u, block, fma(freed(row + 2u, sum2, weight_sums), scale, bias));
    give(row + 3u, block, fma(freed(row + 3u, sum3, weight_sums), scale, bias));
}

// Vectors of a row of x, the first of which is its scale and zero.
fn x_vectors() -> u32 {
    return 1u + (params.inputs / 4u + 3u) / 4u;
}

// Four words of a row of x, from the block-th vector on; zeros beyond its ends.
fn x_vector(row: u32, block: u32) -> vec4<u32> {
    if row < params.rows && 1u + block < x_vectors() {
        return x[(params.first + row) * x_vectors() + 1u + block];
    }
    return vec4<u32>();
}

// A word of weights for each of a block's columns; zeros beyond the ends.
fn w_words(word: u32, block: u32) -> vec4<u32> {
    let blocks = params.outputs / 4u;
    if block < blocks && word < params.inputs / 4u {
        return weights[word * blocks + block];
    }
    return vec4<u32>();
}

// The tile's weights of four words.
fn four(block: u32, word: u32) -> Four {
    return Four(w_tile[block][word], w_tile[block][word + 1u], w_tile[block][word + 2u], w_tile[block][word + 3u]);
}

// Sixteen bytes of a row times those of four columns.
fn products(x: vec4<u32>, w: Four) -> vec4<i32> {
    return word_products(x.x, w.a) + word_products(x.y, w.b) + word_products(x.z, w.c) + word_products(x.w, w.d);
}

// Four bytes of a row times those of four columns.
fn word_products(x: u32, w: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot4I8Packed(x, w.x), dot4I8Packed(x, w.y), dot4I8Packed(x, w.z), dot4I8Packed(x, w.w));
}

// A row's sums without its zero, times its scale.
fn freed(row: u32, sum: vec4<i32>, weight_sums: vec4<i32>) -> vec4<f32> {
    // rows beyond the last are computed and not given
    let head = x[(params.first + min(row, params.rows - 1u)) * x_vectors()];
    return vec4<f32>(sum - bitcast<i32>(head.y) * weight_sums) * bitcast<f32>(head.x);
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
