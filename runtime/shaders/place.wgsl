// An encoder's tokens: out[0] = class token, out[1 + i] = x[i] + position[positions[i]].
//
// An invocation makes four values. Twin: `reference::encoder`, its first lines.

struct Params {
    // of out
    rows: u32,
    width: u32,
    // rows of the table of positions
    places: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows − 1, width]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
// positions, then the class token: [places + 1, width]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;
// [rows − 1]
@group(0) @binding(3) var<storage, read> positions: array<u32>;
// [rows, width]
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn place(@builtin(global_invocation_id) at: vec3<u32>) {
    let blocks = params.width / 4u;
    let row = at.y;
    let column = at.x;
    if column >= blocks || row >= params.rows {
        return;
    }
    var value = table[params.places * blocks + column];
    if row > 0u {
        value = x[(row - 1u) * blocks + column] + table[positions[row - 1u] * blocks + column];
    }
    out[row * blocks + column] = value;
}
