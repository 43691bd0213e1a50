// A decoder's tokens: out[0] = x[0], out[1 + i] = (x[order[i]], or the mask token where that is 0) + position[i].
//
// An invocation makes four values. Twin: `reference::decoder`, its first lines.

struct Params {
    // of out
    rows: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// class token and visible ones: [tokens, width]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
// positions, then the mask token: [rows, width]
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;
// 0 at a masked place, i + 1 at the place of the i-th visible one: [rows − 1]
@group(0) @binding(3) var<storage, read> order: array<u32>;
// [rows, width]
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn restore(@builtin(global_invocation_id) at: vec3<u32>) {
    let blocks = params.width / 4u;
    let row = at.y;
    let column = at.x;
    if column >= blocks || row >= params.rows {
        return;
    }
    var value = x[column];
    if row > 0u {
        let token = order[row - 1u];
        value = table[(params.rows - 1u) * blocks + column];
        if token > 0u {
            value = x[token * blocks + column];
        }
        value += table[(row - 1u) * blocks + column];
    }
    out[row * blocks + column] = value;
}
