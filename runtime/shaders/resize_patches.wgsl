// Visible patches of a frame whose rows are resized: each value (Σₖ taps[x, k] · line[first[x] + k·step] + ½) / 2^shift, cut off to a
// byte, Y, U and V turned into colours; as bytes into the picture, and normalized into the patches:
// out[i, y, x, c] = scale[c] · picture[patch positions[i], y, x, c] + offset[c].
//
// An invocation makes a pixel. Twins: `resize`, its second pass, `ColourRange::rgb`, and `reference::patchify` of
// `reference::normalize`.

struct Channel {
    // where its entries begin: for each column of the picture the byte of a line that is read first, and the taps
    table: u32,
    // bytes from one value to the next
    step: u32,
    // where its lines begin, and their words
    lines: u32,
    words: u32,
    shift: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

struct Params {
    scale: vec4<f32>,
    offset: vec4<f32>,
    channels: array<Channel, 3>,
    // 2¹⁴ times what V is multiplied by for red, U and V for green, U for blue
    chroma: vec4<i32>,
    // what is taken from Y, and 2¹⁴ times what it is multiplied by then
    black: i32,
    luma: i32,
    // 1: the values are Y, U and V
    is_yuv: u32,
    // taps of a column, zeros among them
    taps: u32,
    // of the picture and of a patch, in pixels
    side: u32,
    patch_side: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// entries of the rows, entries of the columns, lines
@group(0) @binding(1) var<storage, read> lines: array<u32>;
// [patches]
@group(0) @binding(2) var<storage, read> positions: array<u32>;
// four bytes to a pixel, of which the visible ones are written: [side, side]
@group(0) @binding(3) var<storage, read_write> picture: array<u32>;
// [patches, patch · patch · 3]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn resize_patches(@builtin(global_invocation_id) at: vec3<u32>) {
    let pixels = params.patch_side * params.patch_side;
    if at.x >= pixels {
        return;
    }
    let columns = params.side / params.patch_side;
    let position = positions[at.y];
    let y = position / columns * params.patch_side + at.x / params.patch_side;
    let x = position % columns * params.patch_side + at.x % params.patch_side;
    let entry = x * (params.taps + 1u);
    let entries = vec3<u32>(params.channels[0].table, params.channels[1].table, params.channels[2].table) + entry;
    let steps = vec3<u32>(params.channels[0].step, params.channels[1].step, params.channels[2].step);
    let shifts = vec3<u32>(params.channels[0].shift, params.channels[1].shift, params.channels[2].shift);
    // in bytes, from the beginning of all
    var places = 4u * vec3<u32>(
        params.channels[0].lines + y * params.channels[0].words,
        params.channels[1].lines + y * params.channels[1].words,
        params.channels[2].lines + y * params.channels[2].words,
    );
    places += vec3<u32>(lines[entries.x], lines[entries.y], lines[entries.z]);
    var sum = vec3<i32>(1) << (shifts - 1u);
    for (var k = 1u; k <= params.taps; k += 1u) {
        let taps = vec3<u32>(lines[entries.x + k], lines[entries.y + k], lines[entries.z + k]);
        sum += bitcast<vec3<i32>>(taps) * vec3<i32>(byte(places.x), byte(places.y), byte(places.z));
        places += steps;
    }
    var value = clamp(sum >> shifts, vec3<i32>(), vec3<i32>(255));
    if params.is_yuv != 0u {
        let luma = (value.x - params.black) * params.luma + (1 << 13u);
        let chroma = value.yz - 128;
        value = vec3<i32>(
            luma + params.chroma.x * chroma.y,
            luma - params.chroma.y * chroma.x - params.chroma.z * chroma.y,
            luma + params.chroma.w * chroma.x,
        );
        value = clamp(value >> vec3<u32>(14u), vec3<i32>(), vec3<i32>(255));
    }
    picture[y * params.side + x] = pack4xU8(vec4<u32>(vec4<i32>(value, 0)));
    let normalized = vec3<f32>(value) * params.scale.xyz + params.offset.xyz;
    let place = 3u * (at.y * pixels + at.x);
    out[place] = normalized.x;
    out[place + 1u] = normalized.y;
    out[place + 2u] = normalized.z;
}

// A byte of the lines.
fn byte(place: u32) -> i32 {
    return i32((lines[place / 4u] >> (8u * (place % 4u))) & 255u);
}
