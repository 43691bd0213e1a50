// A frame's rows or columns resized: out[o] = (Σₖ taps[o, k] · x[first[o] + k] + ½) / 2^shift along one side, cut off to bytes.
//
// An invocation makes a pixel. Sums are exact, so that a picture resized here is, byte for byte, the one that is resized on
// the CPU. Twin: `resize`, a pass of it.

struct Params {
    // of out
    width: u32,
    height: u32,
    // of x: its width, and its length along the side that is resized
    source_width: u32,
    source: u32,
    // 1: each row is resized; 0: each column
    along_rows: u32,
    // of each pixel
    taps: u32,
    shift: u32,
    // bytes of a pixel of x: 3 or 4, of which the first three are read
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [⌈height · width · channels / 4⌉]
@group(0) @binding(1) var<storage, read> x: array<u32>;
// first, then taps, as many zeros as it takes after the last: [width or height, 1 + taps]
@group(0) @binding(2) var<storage, read> table: array<i32>;
// four bytes to a pixel: [height, width]
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn resize(@builtin(global_invocation_id) at: vec3<u32>) {
    if at.x >= params.width || at.y >= params.height {
        return;
    }
    var entry = at.y;
    var start = at.x;
    var step = params.source_width;
    if params.along_rows != 0u {
        entry = at.x;
        start = at.y * params.source_width;
        step = 1u;
    }
    entry *= params.taps + 1u;
    let first = u32(table[entry]);
    let last = min(params.taps, params.source - first);
    var sum = vec4<i32>(1 << (params.shift - 1u));
    for (var k = 0u; k < last; k += 1u) {
        sum += table[entry + 1u + k] * pixel(start + (first + k) * step);
    }
    let value = clamp(sum >> vec4<u32>(params.shift), vec4<i32>(), vec4<i32>(255));
    out[at.y * params.width + at.x] = pack4xU8(vec4<u32>(value));
}

// The bytes of a pixel.
fn pixel(index: u32) -> vec4<i32> {
    if params.channels == 4u {
        return vec4<i32>(unpack4xU8(x[index]));
    }
    let byte = 3u * index;
    let shift = 8u * (byte % 4u);
    var word = x[byte / 4u] >> shift;
    if shift > 8u {
        word |= x[byte / 4u + 1u] << (32u - shift);
    }
    return vec4<i32>(unpack4xU8(word));
}
