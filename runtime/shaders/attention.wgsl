// Attention: out[q, h] = Σₖ softmaxₖ(scale · ⟨query[q, h], key[k, h]⟩) · value[k, h], for each head h.
//
// A workgroup takes 16 queries of a head and goes through keys and values 16 at a time, with the softmax's maximum and sum as
// they are so far (Milakov and Gimelshein 2018, arXiv:1805.02867). Four invocations share a query: each has a quarter of
// the keys, then a quarter of the values' width. GROUPS groups of invocations share the keys, and the first puts together what
// they have found. Twin: `reference::attention`.

// d / 16, at most 6
override PARTS: u32 = 4u;
override GROUPS: u32 = 1u;

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
var<workgroup> tile: array<vec4<f32>, GROUPS * TILE * (4u * PARTS + 1u)>;
var<workgroup> shares: array<vec4<f32>, GROUPS * TILE * 4u>;

// Indices into an invocation's own values are constants, or drivers keep these in memory.
@compute @workgroup_size(4, TILE, GROUPS)
fn attention(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) place: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let invocations = 4u * TILE * GROUPS;
    let blocks = 4u * PARTS;
    let width = params.heads * blocks;
    let head = group.y * blocks;
    let first = group.x * TILE;
    let row = place.y;
    let part = place.x;
    // a group's tile and shares
    let tile_start = place.z * TILE * (4u * PARTS + 1u);
    let shares_start = place.z * TILE * 4u;
    let local = 4u * row + part;

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
    // a query's part of the mixed values
    var m0 = vec4<f32>();
    var m1 = vec4<f32>();
    var m2 = vec4<f32>();
    var m3 = vec4<f32>();
    var m4 = vec4<f32>();
    var m5 = vec4<f32>();
    // all groups go round as often, for barriers
    for (var keys = 0u; keys < params.tokens; keys += TILE * GROUPS) {
        let key = keys + place.z * TILE;
        load(local, key, width + head, tile_start);
        var scores = vec4<f32>();
        for (var i = 0u; i < blocks; i += 4u) {
            scores += score(row, part, i, tile_start) + score(row, part, i + 1u, tile_start);
            scores += score(row, part, i + 2u, tile_start) + score(row, part, i + 3u, tile_start);
        }
        let token = vec4<u32>(key + 4u * part) + vec4<u32>(0u, 1u, 2u, 3u);
        shares[shares_start + local] = select(vec4<f32>(LEAST), scores, token < vec4<u32>(params.tokens));
        workgroupBarrier();
        load(local, key, 2u * width + head, tile_start);
        let s0 = shares[shares_start + 4u * row];
        let s1 = shares[shares_start + 4u * row + 1u];
        let s2 = shares[shares_start + 4u * row + 2u];
        let s3 = shares[shares_start + 4u * row + 3u];
        let largest = max(max(s0, s1), max(s2, s3));
        let next = max(most, max(max(largest.x, largest.y), max(largest.z, largest.w)));
        let kept = exp(most - next);
        let p = mat4x4<f32>(exp(s0 - next), exp(s1 - next), exp(s2 - next), exp(s3 - next));
        most = next;
        sum = fma(sum, kept, dot(p[0] + p[1] + p[2] + p[3], vec4<f32>(1.0)));
        m0 = mixed(m0 * kept, p, tile_start + part * PARTS);
        if PARTS > 1u {
            m1 = mixed(m1 * kept, p, tile_start + part * PARTS + 1u);
        }
        if PARTS > 2u {
            m2 = mixed(m2 * kept, p, tile_start + part * PARTS + 2u);
        }
        if PARTS > 3u {
            m3 = mixed(m3 * kept, p, tile_start + part * PARTS + 3u);
        }
        if PARTS > 4u {
            m4 = mixed(m4 * kept, p, tile_start + part * PARTS + 4u);
        }
        if PARTS > 5u {
            m5 = mixed(m5 * kept, p, tile_start + part * PARTS + 5u);
        }
        workgroupBarrier();
    }
    // what a group has: its values, in its tile, and its maximum and sum; the first takes the others'
    if place.z > 0u {
        shares[shares_start + local] = vec4<f32>(most, sum, 0.0, 0.0);
        let at = tile_start + local * PARTS;
        tile[at] = m0;
        if PARTS > 1u {
            tile[at + 1u] = m1;
        }
        if PARTS > 2u {
            tile[at + 2u] = m2;
        }
        if PARTS > 3u {
            tile[at + 3u] = m3;
        }
        if PARTS > 4u {
            tile[at + 4u] = m4;
        }
        if PARTS > 5u {
            tile[at + 5u] = m5;
        }
    }
    workgroupBarrier();
    if place.z > 0u {
        return;
    }
    for (var other = 1u; other < GROUPS; other += 1u) {
        let theirs = shares[other * TILE * 4u + local];
        let next = max(most, theirs.x);
        let kept = exp(most - next);
        let added = exp(theirs.x - next);
        most = next;
        sum = sum * kept + theirs.y * added;
        let at = other * TILE * (4u * PARTS + 1u) + local * PARTS;
        m0 = m0 * kept + tile[at] * added;
        if PARTS > 1u {
            m1 = m1 * kept + tile[at + 1u] * added;
        }
        if PARTS > 2u {
            m2 = m2 * kept + tile[at + 2u] * added;
        }
        if PARTS > 3u {
            m3 = m3 * kept + tile[at + 3u] * added;
        }
        if PARTS > 4u {
            m4 = m4 * kept + tile[at + 4u] * added;
        }
        if PARTS > 5u {
            m5 = m5 * kept + tile[at + 5u] * added;
        }
    }
    let token = first + row;
    if token < params.tokens {
        let at = token * width + head + part * PARTS;
        out[at] = m0 / sum;
        if PARTS > 1u {
            out[at + 1u] = m1 / sum;
        }
        if PARTS > 2u {
            out[at + 2u] = m2 / sum;
        }
        if PARTS > 3u {
            out[at + 3u] = m3 / sum;
        }
        if PARTS > 4u {
            out[at + 4u] = m4 / sum;
        }
        if PARTS > 5u {
            out[at + 5u] = m5 / sum;
        }
    }
}

// A block's share in the scores of a query and four keys of the tile.
fn score(row: u32, part: u32, block: u32, start: u32) -> vec4<f32> {
    let stride = 4u * PARTS + 1u;
    let query = queries[row * 4u * PARTS + block];
    let at = start + 4u * part * stride + block;
    return vec4<f32>(
        dot(query, tile[at]),
        dot(query, tile[at + stride]),
        dot(query, tile[at + 2u * stride]),
        dot(query, tile[at + 3u * stride]),
    );
}

// A value and the tile's values of a column, each times its share.
fn mixed(value: vec4<f32>, share: mat4x4<f32>, column: u32) -> vec4<f32> {
    let four = 4u * (4u * PARTS + 1u);
    let half = four_mixed(four_mixed(value, share[0], column), share[1], four + column);
    return four_mixed(four_mixed(half, share[2], 2u * four + column), share[3], 3u * four + column);
}

fn four_mixed(value: vec4<f32>, share: vec4<f32>, at: u32) -> vec4<f32> {
    let stride = 4u * PARTS + 1u;
    let half = fma(vec4<f32>(share.y), tile[at + stride], fma(vec4<f32>(share.x), tile[at], value));
    return fma(vec4<f32>(share.w), tile[at + 3u * stride], fma(vec4<f32>(share.z), tile[at + 2u * stride], half));
}

// 16 tokens' keys or values of a head to `tile` from `start` on, zeros after the last.
fn load(index: u32, token: u32, column: u32, start: u32) {
    let blocks = 4u * PARTS;
    let stride = 3u * params.heads * blocks;
    for (var i = index; i < TILE * blocks; i += 4u * TILE) {
        let at = token + i / blocks;
        var value = vec4<f32>();
        if at < params.tokens {
            value = x[at * stride + column + i % blocks];
        }
        tile[start + i / blocks * (blocks + 1u) + i % blocks] = value;
    }
    workgroupBarrier();
}
