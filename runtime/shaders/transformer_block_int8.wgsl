// A transformer block for a few rows, in products of bytes: as `transformer_block`, each row that a layer reads quantized as it comes,
// the part of fc1's that a part of fc2 reads by itself. Sums are exact. Twins: those of `transformer_block`,
// `glimpse_kernels::int8::quantize`.

override WIDTH: u32 = 16u;
override HEADS: u32 = 1u;
// values between fc1 and fc2, a multiple of WIDTH
override HIDDEN: u32 = 16u;
// the most tokens
override TOKENS: u32 = 1u;

const ROWS: u32 = 4u;

// of four values, in a row and in a head's part of it: multiples of 4
override BLOCKS: u32 = WIDTH / 4u;
override HEAD_BLOCKS: u32 = BLOCKS / HEADS;
// vectors of a layer
override LAYER: u32 = WIDTH + BLOCKS * BLOCKS;
// layers of a block's rest, and batches of a layer
override LAYERS: u32 = 1u + 2u * (HIDDEN / WIDTH);
override BATCHES: u32 = (BLOCKS + 23u) / 24u;

struct Params {
    tokens: u32,
    // whether the rest of a block is to be done, and a norm after it
    rest: u32,
    norm: u32,
    // layers that read what the norm gives, side by side; without any, x becomes that
    layers: u32,
    // where the norm's weights are, and theirs
    norm_at: u32,
    // rows that they leave out
    first: u32,
    scale: f32,
    epsilon: f32,
    norm_epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [tokens, 3, WIDTH]
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
// the rest's: proj, weight and bias of its norm, a part of fc1 and one of fc2 in turn; then weight and bias of the norm after it,
// and the layers, such as q, k and v. All are [WIDTH, WIDTH]: scale, bias and the sum of its weights, an i32, for each column, then the weights,
// four of k to a word, four columns to a vector
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
// [tokens, WIDTH]
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;
// [tokens - first, layers, WIDTH]
@group(0) @binding(4) var<storage, read_write> next: array<vec4<f32>>;

// queries, four columns of each row
var<workgroup> tiles: array<array<vec4<f32>, ROWS>, BLOCKS>;
// what a layer reads: four columns to a word, a word for each row. No vectors here and in sums, since each word is another
// invocation's, and writing a part of a vector may write all of it
var<workgroup> bytes: array<array<u32, ROWS>, BLOCKS>;
// a value for each row: [HEADS, TOKENS]
var<workgroup> scores: array<vec4<f32>, HEADS * TOKENS>;
// what invocations have of others' rows
var<workgroup> given: array<vec4<i32>, WIDTH>;
// sums of a row, by fours: of values, and of squares; or the least of its values, and the greatest
var<workgroup> sums: array<array<array<f32, 4>, ROWS>, BLOCKS / 2u>;

// Weights that come together, of one four of k each.
struct Batch {
    w0: vec4<u32>,
    w1: vec4<u32>,
    w2: vec4<u32>,
    w3: vec4<u32>,
    w4: vec4<u32>,
    w5: vec4<u32>,
}

// Scale, bias and sum of weights of four columns.
struct Columns {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

// How the bytes of a row are to be taken.
struct Quantized {
    scale: f32,
    zero: i32,
}

// those of an invocation's row
var<private> own: Quantized;

// Four values of each row.
struct Values {
    a: vec4<i32>,
    b: vec4<i32>,
    c: vec4<i32>,
    d: vec4<i32>,
}

@compute @workgroup_size(WIDTH)
fn transformer_block_int8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let row = group.x * ROWS + index % ROWS;
    let place = row * BLOCKS + index / ROWS;
    var values = vec4<f32>();
    if row < params.tokens {
        values = x[place];
    }
    // proj, parts of fc1 and fc2 in turn, and then those behind the norm
    let end = LAYERS + params.layers;
    let start = select(LAYERS, 0u, params.rest != 0u);
    var y = vec4<f32>();
    var norm = vec4<f32>();
    // weights come while what stands before them is done
    var columns = columns_of(start, index);
    var batch = batch_of(start, index, 0u);
    for (var layer = start;; layer += 1u) {
        if layer == 0u {
            y = attended(row, index);
        } else if layer == 1u || layer == LAYERS && params.norm != 0u {
            let at = select(params.norm_at, LAYER, layer == 1u);
            norm = normalized(index, values, at, select(params.norm_epsilon, params.epsilon, layer == 1u));
        }
        if layer == end {
            break;
        }
        let is_second = layer < LAYERS && layer % 2u == 0u;
        put(index, select(norm, y, is_second));
        var all = Values();
        for (var i = 0u; i < BATCHES; i += 1u) {
            let following = batch_of(layer, index, i + 1u);
            all = added_all(all, batch, index, i);
            batch = following;
        }
        let after = min(layer + 1u, end - 1u);
        let columns_after = columns_of(after, index);
        batch = batch_of(after, index, 0u);
        let made = finished(shared_out(all, index), columns);
        columns = columns_after;
        if layer >= LAYERS {
            if row >= params.first && row < params.tokens {
                next[((row - params.first) * params.layers + layer - LAYERS) * BLOCKS + index / ROWS] = made;
            }
        } else if is_second {
            values += made;
        } else {
            y = gelu(made);
        }
    }
    if params.rest != 0u && row < params.tokens {
        x[place] = select(values, norm, params.norm != 0u && params.layers == 0u);
    }
}

// Where a layer's weights are.
fn weights_of(layer: u32) -> u32 {
    let first = 2u * BLOCKS + layer * LAYER;
    return select(select(first, 0u, layer == 0u), params.norm_at + first - LAYERS * LAYER, layer >= LAYERS);
}

// Attention of a row's query over all keys.
fn attended(row: u32, index: u32) -> vec4<f32> {
    let block = index / ROWS;
    var query = vec4<f32>();
    if row < params.tokens {
        query = qkv[row * 3u * BLOCKS + block];
    }
    tiles[block][index % ROWS] = query;
    workgroupBarrier();
    for (var i = index; i < HEADS * params.tokens; i += WIDTH) {
        let head = i / params.tokens;
        let key = i % params.tokens;
        var score = vec4<f32>();
        for (var block = head * HEAD_BLOCKS; block < (head + 1u) * HEAD_BLOCKS; block += 4u) {
            // four at a time, so that they come together
            let at = (key * 3u + 1u) * BLOCKS + block;
            let k0 = qkv[at];
            let k1 = qkv[at + 1u];
            let k2 = qkv[at + 2u];
            let k3 = qkv[at + 3u];
            score += scored(block, k0) + scored(block + 1u, k1) + scored(block + 2u, k2) + scored(block + 3u, k3);
        }
        scores[head * TOKENS + key] = score * params.scale;
    }
    workgroupBarrier();

    let first = block / HEAD_BLOCKS * TOKENS;
    let end = first + params.tokens;
    var most = score_of(first, end, index);
    for (var at = first + 1u; at < end; at += 4u) {
        let two = max(score_of(at, end, index), score_of(at + 1u, end, index));
        most = max(most, max(two, max(score_of(at + 2u, end, index), score_of(at + 3u, end, index))));
    }
    var total = 0.0;
    var mixed = vec4<f32>();
    for (var key = 0u; key < params.tokens; key += 4u) {
        let v0 = value(key, block);
        let v1 = value(key + 1u, block);
        let v2 = value(key + 2u, block);
        let v3 = value(key + 3u, block);
        let s0 = exp(score_of(first + key, end, index) - most);
        let s1 = exp(score_of(first + key + 1u, end, index) - most);
        let s2 = exp(score_of(first + key + 2u, end, index) - most);
        let s3 = exp(score_of(first + key + 3u, end, index) - most);
        total += (s0 + s1) + (s2 + s3);
        mixed += (s0 * v0 + s1 * v1) + (s2 * v2 + s3 * v3);
    }
    return mixed / total;
}

// Four values of a key, times those of each row's query.
fn scored(block: u32, k: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(dot(tiles[block][0], k), dot(tiles[block][1], k), dot(tiles[block][2], k), dot(tiles[block][3], k));
}

// A row's score; beyond the last key one that has no share.
fn score_of(at: u32, end: u32, index: u32) -> f32 {
    if at < end {
        return scores[at][index % ROWS];
    }
    return -3.4e38;
}

// Four values of a key's value; zeros beyond the last key.
fn value(key: u32, block: u32) -> vec4<f32> {
    if key < params.tokens {
        return qkv[(key * 3u + 2u) * BLOCKS + block];
    }
    return vec4<f32>();
}

// Layer norm of a row; weights has the norm's weight, then its bias.
fn normalized(index: u32, x: vec4<f32>, at: u32, epsilon: f32) -> vec4<f32> {
    let centred = x - total(0u, index, x) / f32(WIDTH);
    let variance = total(BLOCKS / 4u, index, centred * centred) / f32(WIDTH);
    let factor = 1.0 / sqrt(variance + epsilon);
    let weight = bitcast<vec4<f32>>(weights[at + index / ROWS]);
    let bias = bitcast<vec4<f32>>(weights[at + BLOCKS + index / ROWS]);
    return fma(centred * factor, weight, bias);
}

// The sum over a row, for each of its invocations; sums are free from `first` on.
fn total(first: u32, index: u32, values: vec4<f32>) -> f32 {
    let block = index / ROWS;
    let row = index % ROWS;
    sums[first + block / 4u][row][block % 4u] = dot(values, vec4<f32>(1.0));
    workgroupBarrier();
    var sum = vec4<f32>();
    for (var i = 0u; i < BLOCKS / 4u; i += 1u) {
        sum += four_sums(first + i, row);
    }
    return dot(sum, vec4<f32>(1.0));
}

// Four sums of a row.
fn four_sums(at: u32, row: u32) -> vec4<f32> {
    return vec4<f32>(sums[at][row][0], sums[at][row][1], sums[at][row][2], sums[at][row][3]);
}

// What a layer reads, four values of an invocation, to bytes.
fn put(index: u32, values: vec4<f32>) {
    let range = range_of_row(index, values);
    let scale = (range.y - range.x) / 255.0;
    var inverse = 0.0;
    if scale > 0.0 {
        inverse = 1.0 / scale;
    }
    let zero = round(-range.x * inverse);
    let value = round(fma(values, vec4<f32>(inverse), vec4<f32>(zero)));
    bytes[index / ROWS][index % ROWS] = pack4xI8(vec4<i32>(clamp(value, vec4<f32>(), vec4<f32>(255.0))) - 128);
    workgroupBarrier();
    own = Quantized(scale, i32(zero) - 128);
}

// The least and the greatest value of an invocation's row, 0 among them.
fn range_of_row(index: u32, values: vec4<f32>) -> vec2<f32> {
    let block = index / ROWS;
    let row = index % ROWS;
    var least = min(values, values.zwxy);
    var most = max(values, values.zwxy);
    workgroupBarrier();
    sums[block / 4u][row][block % 4u] = min(least.x, least.y);
    sums[BLOCKS / 4u + block / 4u][row][block % 4u] = max(most.x, most.y);
    workgroupBarrier();
    least = vec4<f32>();
    most = vec4<f32>();
    for (var i = 0u; i < BLOCKS / 4u; i += 1u) {
        least = min(least, four_sums(i, row));
        most = max(most, four_sums(BLOCKS / 4u + i, row));
    }
    least = min(least, least.zwxy);
    most = max(most, most.zwxy);
    return vec2<f32>(min(least.x, least.y), max(most.x, most.y));
}

// A layer's values, from its sums.
fn finished(sum: vec4<i32>, columns: Columns) -> vec4<f32> {
    let weight_sums = bitcast<vec4<i32>>(vec4<u32>(columns.a.z, columns.b.z, columns.c.z, columns.d.z));
    let scale = bitcast<vec4<f32>>(vec4<u32>(columns.a.x, columns.b.x, columns.c.x, columns.d.x));
    let bias = bitcast<vec4<f32>>(vec4<u32>(columns.a.y, columns.b.y, columns.c.y, columns.d.y));
    return fma(vec4<f32>(sum - own.zero * weight_sums) * own.scale, scale, bias);
}

// A layer's columns of an invocation.
fn columns_of(layer: u32, index: u32) -> Columns {
    let at = weights_of(layer) + index / ROWS * 4u;
    return Columns(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

// The `i`-th of a layer's batches of weights of an invocation: those of every ROWS-th four of k.
fn batch_of(layer: u32, index: u32, i: u32) -> Batch {
    let first = weights_of(layer) + WIDTH + index / ROWS;
    let k = index % ROWS + 6u * ROWS * i;
    return Batch(
        words(first, k),
        words(first, k + ROWS),
        words(first, k + 2u * ROWS),
        words(first, k + 3u * ROWS),
        words(first, k + 4u * ROWS),
        words(first, k + 5u * ROWS),
    );
}

// Sums, and the products of a batch of weights.
fn added_all(sums: Values, batch: Batch, index: u32, i: u32) -> Values {
    let k = index % ROWS + 6u * ROWS * i;
    var all = sums;
    all = added_to(all, k, batch.w0);
    all = added_to(all, k + ROWS, batch.w1);
    all = added_to(all, k + 2u * ROWS, batch.w2);
    all = added_to(all, k + 3u * ROWS, batch.w3);
    all = added_to(all, k + 4u * ROWS, batch.w4);
    all = added_to(all, k + 5u * ROWS, batch.w5);
    return all;
}

// The sum of all invocations' sums for a row and a block of columns, to the one whose they are.
fn shared_out(all: Values, index: u32) -> vec4<i32> {
    var sum = of_row(all, index);
    for (var other = 1u; other < ROWS; other += 1u) {
        given[index] = of_row(all, index ^ other);
        workgroupBarrier();
        sum += given[index ^ other];
        workgroupBarrier();
    }
    return sum;
}

// The values of the row of an invocation.
fn of_row(all: Values, index: u32) -> vec4<i32> {
    let first = select(all.a, all.b, index % 2u == 1u);
    let second = select(all.c, all.d, index % 2u == 1u);
    return select(first, second, index % ROWS > 1u);
}

// Sums, and the products of four of k, whose weights these are; those beyond the last are zeros.
fn added_to(all: Values, k: u32, words: vec4<u32>) -> Values {
    let at = min(k, BLOCKS - 1u);
    return Values(
        all.a + word_products(bytes[at][0], words),
        all.b + word_products(bytes[at][1], words),
        all.c + word_products(bytes[at][2], words),
        all.d + word_products(bytes[at][3], words),
    );
}

// The weights of the `k`-th four of k, a word a column; zeros beyond the last.
fn words(first: u32, k: u32) -> vec4<u32> {
    if k < BLOCKS {
        return weights[first + k * BLOCKS];
    }
    return vec4<u32>();
}

// Four bytes of a row times those of four columns.
fn word_products(x: u32, w: vec4<u32>) -> vec4<i32> {
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
