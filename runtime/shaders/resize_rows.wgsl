// A frame's planes with as many rows as its picture has: out[row] = (Σₖ taps[row, k] · x[first[row] + k] + ½) / 2^shift, cut off to
// bytes.
//
// An invocation makes four bytes that lie side by side, whatever they are of. Sums are exact, so that a picture resized here is,
// byte for byte, the one that is resized on the CPU. Twin: `resize`, its first pass.

struct Params {
    // of the longest row, four bytes each
    words: u32,
    // of all planes
    rows: u32,
    // from one row's entry to the next one's
    entry: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// rows of whole words, a plane after the other
@group(0) @binding(1) var<storage, read> x: array<u32>;
// an entry a row: where its first line begins, and the row itself; words of a line; how many taps; the shift; the taps. Then what
// `resize_patches` reads of this, and the rows
@group(0) @binding(2) var<storage, read_write> lines: array<u32>;

@compute @workgroup_size(64)
fn resize_rows(@builtin(global_invocation_id) at: vec3<u32>) {
    let entry = at.y * params.entry;
    if at.y >= params.rows || at.x >= lines[entry + 2u] {
        return;
    }
    let words = lines[entry + 2u];
    let count = lines[entry + 3u];
    let shift = lines[entry + 4u];
    var place = lines[entry] + at.x;
    var sum = vec4<i32>(1 << (shift - 1u));
    for (var k = 0u; k < count; k += 1u) {
        sum += bitcast<i32>(lines[entry + 5u + k]) * vec4<i32>(unpack4xU8(x[place]));
        place += words;
    }
    let value = clamp(sum >> vec4<u32>(shift), vec4<i32>(), vec4<i32>(255));
    lines[lines[entry + 1u] + at.x] = pack4xU8(vec4<u32>(value));
}
