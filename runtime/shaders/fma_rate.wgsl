// Multiplications and additions in f32 and nothing else: how many of them a GPU makes in a second, to hold others against.
//
// An invocation makes STEPS · 8 · 4 of them, eight vectors at a time, so that none waits for another: x ↦ factor · x + summand, STEPS
// times.

const STEPS: u32 = 128u;

struct Params {
    factor: f32,
    summand: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// a vector of sums for each workgroup
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn fma_rate(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    var x0 = vec4<f32>(f32(index + 0u));
    var x1 = vec4<f32>(f32(index + 1u));
    var x2 = vec4<f32>(f32(index + 2u));
    var x3 = vec4<f32>(f32(index + 3u));
    var x4 = vec4<f32>(f32(index + 4u));
    var x5 = vec4<f32>(f32(index + 5u));
    var x6 = vec4<f32>(f32(index + 6u));
    var x7 = vec4<f32>(f32(index + 7u));
    let factor = vec4<f32>(params.factor);
    let summand = vec4<f32>(params.summand);
    for (var step = 0u; step < STEPS; step += 1u) {
        x0 = fma(x0, factor, summand);
        x1 = fma(x1, factor, summand);
        x2 = fma(x2, factor, summand);
        x3 = fma(x3, factor, summand);
        x4 = fma(x4, factor, summand);
        x5 = fma(x5, factor, summand);
        x6 = fma(x6, factor, summand);
        x7 = fma(x7, factor, summand);
    }
    // what nothing reads is not computed
    if index == 0u {
        out[group.x] = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7;
    }
}
