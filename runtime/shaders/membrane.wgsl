// The smoothest surface through what is visible: where hidden, the mean of a pixel's neighbours in the picture.
//
// One workgroup does it all, three channels at once, since most of the work is too small to be shared by more: multigrid, a
// grid of half the side at a time until a patch is a cell or its side is odd. Hidden patches are whole cells of all of these grids.
// A cell's equation is the flow through its sides, and the rim lies where it lies on the finest grid, half a pixel beyond a
// cell's side. Each grid's answer is the next finer one's first guess; cycles of the finest end when the error that is left seems
// less than the tolerance. The coarser grids lie in the workgroup's memory, as far as it has place, where a step waits
// for no other memory. Twin: `glimpse_kernels::Membrane`.

override INVOCATIONS: u32 = 256u;
// Cells' words that the workgroup's memory has place for.
override NEAR: u32 = 1u;
// The most cycles of the finest grid: a mask takes about four.
const CYCLES: u32 = 40u;
// The part of the error that a cycle is taken to leave: the first, and at least and at most whatever it seems to be.
const FIRST_LEFT: f32 = 0.5;
const LEAST_LEFT: f32 = 0.1;
const MOST_LEFT: f32 = 0.9;
// Sweeps over a colour of the coarsest grid, for each cell of its side.
const SWEEPS: u32 = 4u;

struct Params {
    // of the picture and of a patch, in pixels
    side: u32,
    patch_side: u32,
    // hidden patches
    masked: u32,
    // grids besides the finest
    coarser: u32,
    // what comes from here on, where a grid begins, is in the workgroup's memory
    far: u32,
    // grey levels
    tolerance: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [masked]
@group(0) @binding(1) var<storage, read> masked: array<u32>;
// for each grid, finest first: the cells, grey levels and 1 where hidden; then, but for the finest, what flows into each
@group(0) @binding(2) var<storage, read_write> far_cells: array<vec4<f32>>;

// what comes after that
var<workgroup> near_cells: array<vec4<f32>, NEAR>;
var<workgroup> changes: array<f32, INVOCATIONS>;

// A grid of cells.
struct Grid {
    // pixels of a cell's side
    cell: u32,
    // cells of the picture's side, and of a patch's
    side: u32,
    patch_side: u32,
    // whether it is in the workgroup's memory; in its memory, its first cell, and the first of what flows in
    near: bool,
    first: u32,
    inflow: u32,
    // what the rim lets through: it is nearer than a cell's middle is
    rim_weight: f32,
}

// A cell of a hidden patch.
struct Cell {
    x: u32,
    y: u32,
}

@compute @workgroup_size(INVOCATIONS)
fn membrane(@builtin(local_invocation_index) index: u32) {
    for (var level = 1u; level <= params.coarser; level += 1u) {
        clear(grid(level), index);
    }
    storageBarrier();
    workgroupBarrier();
    for (var level = 0u; level < params.coarser; level += 1u) {
        coarsen(grid(level), grid(level + 1u), index);
        settle(grid(level + 1u));
    }
    var top = params.coarser;
    var before = 0.0;
    for (var cycles = 0u; cycles < CYCLES;) {
        let moved = cycle(top, index);
        if top > 0u {
            prolong(grid(top), grid(top - 1u), index);
            top -= 1u;
            settle(grid(top));
            continue;
        }
        let change = largest(moved, index);
        // the part of the error that a cycle leaves
        var left = FIRST_LEFT;
        if cycles > 0u {
            left = clamp(change / before, LEAST_LEFT, MOST_LEFT);
        }
        // half of the tolerance, since what is left is no more than estimated
        if change * left / (1.0 - left) <= 0.5 * params.tolerance {
            break;
        }
        before = change;
        cycles += 1u;
    }
}

// Down from a grid to the coarsest one and up again; the largest change on the finest grid.
fn cycle(top: u32, index: u32) -> f32 {
    var change = 0.0;
    for (var level = top; level < params.coarser; level += 1u) {
        change = max(change, sweeps(level, 1u + min(level, 1u), index));
        coarsen(grid(level), grid(level + 1u), index);
        settle(grid(level + 1u));
    }
    // a cell's sides are few here: over-relaxation comes to an end
    let coarsest = grid(params.coarser);
    let factor = 2.0 / (1.0 + sin(0.78539816 / f32(coarsest.side)));
    for (var sweep = 0u; sweep < SWEEPS * coarsest.side; sweep += 1u) {
        let changed = relax(coarsest, sweep % 2u, factor, index);
        if params.coarser == 0u {
            change = max(change, changed);
        }
        settle(coarsest);
    }
    for (var level = params.coarser; level > top; level -= 1u) {
        let moved = prolong(grid(level), grid(level - 1u), index);
        if level == 1u {
            change = max(change, moved);
        }
        settle(grid(level - 1u));
        sweeps(level - 1u, 1u + min(level - 1u, 1u), index);
    }
    return change;
}

// Sweeps over both colours, so many times; the largest change on the finest grid.
fn sweeps(level: u32, times: u32, index: u32) -> f32 {
    let g = grid(level);
    var change = 0.0;
    for (var sweep = 0u; sweep < 2u * times; sweep += 1u) {
        let changed = relax(g, sweep % 2u, 1.0, index);
        if level == 0u {
            change = max(change, changed);
        }
        settle(g);
    }
    return change;
}

// Waits until all see what all wrote to a grid.
fn settle(g: Grid) {
    if g.near {
        workgroupBarrier();
    } else {
        storageBarrier();
    }
}

fn read_cell(g: Grid, i: u32) -> vec4<f32> {
    if g.near {
        return near_cells[i];
    }
    return far_cells[i];
}

fn write_cell(g: Grid, i: u32, cell: vec4<f32>) {
    if g.near {
        near_cells[i] = cell;
    } else {
        far_cells[i] = cell;
    }
}

fn grid(level: u32) -> Grid {
    var first = 0u;
    for (var finer = 0u; finer < level; finer += 1u) {
        let side = params.side >> finer;
        first += select(2u, 1u, finer == 0u) * side * side;
    }
    let side = params.side >> level;
    let near = first >= params.far;
    first -= select(0u, params.far, near);
    let cell = f32(1u << level);
    let rim_weight = 2.0 * cell / (cell + 1.0);
    return Grid(1u << level, side, params.patch_side >> level, near, first, first + side * side, rim_weight);
}

// A coarser grid's cells: zeros, and 1 where hidden.
fn clear(g: Grid, index: u32) {
    for (var i = index; i < g.side * g.side; i += INVOCATIONS) {
        let pixel = i / g.side * g.cell * params.side + i % g.side * g.cell;
        write_cell(g, g.first + i, vec4<f32>(0.0, 0.0, 0.0, far_cells[pixel].w));
    }
}

// The i-th cell of the hidden patches.
fn hidden(g: Grid, i: u32) -> Cell {
    let position = masked[i / (g.patch_side * g.patch_side)];
    let inside = i % (g.patch_side * g.patch_side);
    let columns = params.side / params.patch_side;
    return Cell(
        position % columns * g.patch_side + inside % g.patch_side,
        position / columns * g.patch_side + inside / g.patch_side,
    );
}

// The weighted sum of a cell's neighbours, and the weights' sum.
fn around(g: Grid, x: u32, y: u32) -> vec4<f32> {
    let at = g.first + y * g.side + x;
    var sum = vec4<f32>();
    if x > 0u {
        sum += weighted(g, read_cell(g, at - 1u));
    }
    if x + 1u < g.side {
        sum += weighted(g, read_cell(g, at + 1u));
    }
    if y > 0u {
        sum += weighted(g, read_cell(g, at - g.side));
    }
    if y + 1u < g.side {
        sum += weighted(g, read_cell(g, at + g.side));
    }
    return sum;
}

fn weighted(g: Grid, neighbour: vec4<f32>) -> vec4<f32> {
    // of the side between them
    let weight = select(g.rim_weight, 1.0, neighbour.w > 0.0);
    return vec4<f32>(weight * neighbour.xyz, weight);
}

// What flows into a cell; on the finest grid, nothing.
fn inflow(g: Grid, x: u32, y: u32) -> vec3<f32> {
    if g.cell == 1u {
        return vec3<f32>();
    }
    return read_cell(g, g.inflow + y * g.side + x).xyz;
}

// Solves each hidden cell of a colour of the checkerboard for its neighbours; the largest change.
fn relax(g: Grid, colour: u32, factor: f32, index: u32) -> f32 {
    let half = (g.patch_side + 1u) / 2u;
    let columns = params.side / params.patch_side;
    let count = params.masked * g.patch_side * half;
    var change = 0.0;
    for (var i = index; i < count; i += INVOCATIONS) {
        let position = masked[i / (g.patch_side * half)];
        let inside = i % (g.patch_side * half);
        let y = position / columns * g.patch_side + inside / half;
        let left = position % columns * g.patch_side;
        let step = 2u * (inside % half) + ((left + y + colour) & 1u);
        if step < g.patch_side {
            let x = left + step;
            let at = g.first + y * g.side + x;
            let sum = around(g, x, y);
            let move_by = factor * ((sum.xyz - inflow(g, x, y)) / sum.w - read_cell(g, at).xyz);
            write_cell(g, at, vec4<f32>(read_cell(g, at).xyz + move_by, 1.0));
            let size = abs(move_by);
            change = max(change, max(size.x, max(size.y, size.z)));
        }
    }
    return change;
}

// What is left of the finer grid's equations flows into the coarser cells, which begin at 0.
fn coarsen(fine: Grid, coarse: Grid, index: u32) {
    let count = params.masked * coarse.patch_side * coarse.patch_side;
    for (var i = index; i < count; i += INVOCATIONS) {
        let cell = hidden(coarse, i);
        var rest = vec3<f32>();
        for (var child = 0u; child < 4u; child += 1u) {
            let x = 2u * cell.x + child % 2u;
            let y = 2u * cell.y + child / 2u;
            let sum = around(fine, x, y);
            rest += inflow(fine, x, y) - (sum.xyz - sum.w * read_cell(fine, fine.first + y * fine.side + x).xyz);
        }
        let at = cell.y * coarse.side + cell.x;
        write_cell(coarse, coarse.inflow + at, vec4<f32>(rest, 0.0));
        write_cell(coarse, coarse.first + at, vec4<f32>(0.0, 0.0, 0.0, 1.0));
    }
}

// Adds what the coarser grid says to the finer one, interpolated between cells' middles and the rim; the largest change.
fn prolong(coarse: Grid, fine: Grid, index: u32) -> f32 {
    let count = params.masked * fine.patch_side * fine.patch_side;
    let near = f32(fine.cell + 1u) / f32(coarse.cell + 1u);
    var change = 0.0;
    for (var i = index; i < count; i += INVOCATIONS) {
        let cell = hidden(fine, i);
        let x = i32(cell.x / 2u);
        let y = i32(cell.y / 2u);
        let beside = x + 2 * i32(cell.x % 2u) - 1;
        let above = y + 2 * i32(cell.y % 2u) - 1;
        let h = shares(value(coarse, beside, y), near);
        let v = shares(value(coarse, x, above), near);
        let moved = h.x * v.x * value(coarse, x, y).xyz
            + h.y * v.x * value(coarse, beside, y).xyz
            + h.x * v.y * value(coarse, x, above).xyz
            + h.y * v.y * value(coarse, beside, above).xyz;
        let at = fine.first + cell.y * fine.side + cell.x;
        write_cell(fine, at, vec4<f32>(read_cell(fine, at).xyz + moved, 1.0));
        let size = abs(moved);
        change = max(change, max(size.x, max(size.y, size.z)));
    }
    return change;
}

// The share of a coarse cell, and of its neighbour: a hidden one, one beyond the picture, or the rim.
fn shares(neighbour: vec4<f32>, near: f32) -> vec2<f32> {
    if neighbour.w > 0.0 {
        return vec2<f32>(0.75, 0.25);
    }
    return vec2<f32>(select(near, 1.0, neighbour.w < 0.0), 0.0);
}

// A cell; beyond the picture, −1 in its last place.
fn value(g: Grid, x: i32, y: i32) -> vec4<f32> {
    let side = i32(g.side);
    if x < 0 || y < 0 || x >= side || y >= side {
        return vec4<f32>(0.0, 0.0, 0.0, -1.0);
    }
    return read_cell(g, g.first + u32(y) * g.side + u32(x));
}

// The largest of all invocations' values.
fn largest(own: f32, index: u32) -> f32 {
    changes[index] = own;
    for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if index < half {
            changes[index] = max(changes[index], changes[index + half]);
        }
    }
    let all = workgroupUniformLoad(&changes[0]);
    workgroupBarrier();
    return all;
}
