// Attention: out[q, h] = Σₖ softmaxₖ(scale · ⟨query[q, h], key[k, h]⟩) · value[k, h], for each head h.
//
// A workgroup takes 16 queries of a head and goes through keys and values 16 at a time, with the softmax's maximum and sum as
// they are so far (Milakov and Gimelshein 2018, arXiv:1805.02867). Four invocations share a query: each has a quarter of
// the keys, then a quarter of the values' width. Twin: `reference::attention`.

// d / 16, at most 6
override PARTS: u32 = 4u;

const TILE: u32 = 16u;
const LEAST: f32 = -3.0e38;

struct Params {
    tokens: u32,
    heads: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// queries, keys and values side by side: [tokens, 3, heads, d]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
// [tokens, heads, d]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

var<workgroup> queries: array<vec4<f32>, TILE * 4u * PARTS>;
// a vector more to a row so that rows lie in other banks
var<workgroup> tile: array<vec4<f32>, TILE * (4u * PARTS + 1u)>;
var<workgroup> shares: array<vec4<f32>, TILE * 4u>;

@compute @workgroup_size(4, TILE)
fn attention(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) place: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let invocations = 4u * TILE;
    let blocks = 4u * PARTS;
    let width = params.heads * blocks;
    let head = group.y * blocks;
    let first = group.x * TILE;
    let row = place.y;
    let part = place.x;

    for (var i = index; i < TILE * blocks; i += invocations) {
        let token = first + i / blocks;
        var value = vec4<f32>();
        if token < params.tokens {
            value = x[token * 3u * width + head + i % blocks] * params.scale;
        }
        queries[i] = value;
    }
    var most = LEAST;
    var sum = 0.0;
    var mixed = array<vec4<f32>, 6>();
    for (var key = 0u; key < params.tokens; key += TILE) {
        load(index, key, width + head);
        var scores = vec4<f32>();
        for (var i = 0u; i < blocks; i += 1u) {
            let query = queries[row * blocks + i];
            scores.x += dot(query, tile[(4u * part) * (blocks + 1u) + i]);
            scores.y += dot(query, tile[(4u * part + 1u) * (blocks + 1u) + i]);
            scores.z += dot(query, tile[(4u * part + 2u) * (blocks + 1u) + i]);
            scores.w += dot(query, tile[(4u * part + 3u) * (blocks + 1u) + i]);
        }
        let token = vec4<u32>(key + 4u * part) + vec4<u32>(0u, 1u, 2u, 3u);
        shares[4u * row + part] = select(vec4<f32>(LEAST), scores, token < vec4<u32>(params.tokens));
        workgroupBarrier();
        load(index, key, 2u * width + head);
        let s0 = shares[4u * row];
        let s1 = shares[4u * row + 1u];
        let s2 = shares[4u * row + 2u];
        let s3 = shares[4u * row + 3u];
        let largest = max(max(s0, s1), max(s2, s3));
        let next = max(most, max(max(largest.x, largest.y), max(largest.z, largest.w)));
        let kept = exp(most - next);
        let p = array<vec4<f32>, 4>(exp(s0 - next), exp(s1 - next), exp(s2 - next), exp(s3 - next));
        most = next;
        sum = fma(sum, kept, dot(p[0] + p[1] + p[2] + p[3], vec4<f32>(1.0)));
        for (var i = 0u; i < PARTS; i += 1u) {
            let column = part * PARTS + i;
            var value = mixed[i] * kept;
            for (var block = 0u; block < 4u; block += 1u) {
                let weight = p[block];
                let at = 4u * block * (blocks + 1u) + column;
                value = fma(vec4<f32>(weight.x), tile[at], value);
                value = fma(vec4<f32>(weight.y), tile[at + (blocks + 1u)], value);
                value = fma(vec4<f32>(weight.z), tile[at + 2u * (blocks + 1u)], value);
                value = fma(vec4<f32>(weight.w), tile[at + 3u * (blocks + 1u)], value);
            }
            mixed[i] = value;
        }
        workgroupBarrier();
    }
    let token = first + row;
    if token < params.tokens {
        for (var i = 0u; i < PARTS; i += 1u) {
            out[token * width + head + part * PARTS + i] = mixed[i] / sum;
        }
    }
}

// 16 tokens' keys or values of a head to `tile`, zeros after the last.
fn load(index: u32, token: u32, column: u32) {
    let blocks = 4u * PARTS;
    let stride = 3u * params.heads * blocks;
    for (var i = index; i < TILE * blocks; i += 4u * TILE) {
        let at = token + i / blocks;
        var value = vec4<f32>();
        if at < params.tokens {
            value = x[at * stride + column + i % blocks];
        }
        tile[i / blocks * (blocks + 1u) + i % blocks] = value;
    }
    workgroupBarrier();
}
