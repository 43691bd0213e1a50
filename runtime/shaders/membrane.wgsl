// The smoothest surface through what is visible: where hidden, the mean of a pixel's neighbours in the picture.
//
// One workgroup does it all, three channels at once, since most of the work is too small to be shared by more: multigrid, a
// grid of half the side at a time until a patch is a cell or its side is odd. Hidden patches are whole cells of all of these grids.
// A cell's equation is the flow through its sides, and the rim lies where it lies on the finest grid, half a pixel beyond a
// cell's side. Each grid's answer is the next finer one's first guess; cycles of the finest end when the error that is left seems
// less than the tolerance. The coarser grids lie in the workgroup's memory, as far as it has place, where a step waits
// for no other memory. Twin: `glimpse_kernels::Membrane`.

override INVOCATIONS: u32 = 256u;
// Cells in the workgroup's memory, with what flows into them.
override NEAR: u32 = 1u;
// The most cycles of the finest grid: a mask takes about four.
const CYCLES: u32 = 40u;
// The part of the error that a cycle is taken to leave: the first, and at least and at most whatever it seems to be.
const FIRST_LEFT: f32 = 0.5;
const LEAST_LEFT: f32 = 0.1;
const MOST_LEFT: f32 = 0.9;
// Sweeps over a colour of the coarsest grid, for each cell of its side.
const SWEEPS: u32 = 6u;

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
    // at first, down to the coarsest grid; then up to each finer one, with a cycle from there down and up again
    var level = 0u;
    var down = true;
    var top = params.coarser;
    // by how much a cell of the finest grid changed at most, in this cycle and in the one before it
    var change = 0.0;
    var before = 0.0;
    for (var cycles = 0u; cycles < CYCLES;) {
        let g = grid(level);
        let is_coarsest = level == params.coarser;
        var sweeps = 2u + 2u * min(level, 1u);
        var factor = 1.0;
        if is_coarsest {
            // a cell's sides are few here: over-relaxation comes to an end
            sweeps = SWEEPS * g.side;
            factor = 2.0 / (1.0 + sin(select(0.78539816, 0.4, params.coarser == 0u) / f32(g.side)));
            down = false;
        } else if top == params.coarser {
            // on the way to the first guess
            sweeps = 0u;
        }
        for (var sweep = 0u; sweep < sweeps; sweep += 1u) {
            if params.coarser == 0u && sweep + 2u == sweeps {
                // what the last two change is what counts
                change = 0.0;
            }
            let changed = relax(g, sweep % 2u, factor, index);
            change = max(change, select(0.0, changed, level == 0u));
            settle(g);
        }
        if down {
            level += 1u;
            let coarse = grid(level);
            coarsen(g, coarse, index);
            settle(coarse);
            if coarse.near != g.near {
                settle(g);
            }
        } else if level > 0u {
            level -= 1u;
            let fine = grid(level);
            let changed = prolong(g, fine, index);
            change = max(change, select(0.0, changed, level == 0u));
            settle(fine);
            if fine.near != g.near {
                settle(g);
            }
            if level < top {
                top = level;
                down = true;
                change = 0.0;
            }
        } else {
            let moved = largest(change, index);
            // the part of the error that a cycle leaves; of two sweeps, where there is no coarser grid
            var left = FIRST_LEFT;
            if params.coarser == 0u {
                left = factor - 1.0;
            } else if cycles > 0u {
                left = clamp(moved / before, LEAST_LEFT, MOST_LEFT);
            }
            // half of the tolerance, since what is left is no more than estimated
            if moved * left / (1.0 - left) <= 0.5 * params.tolerance {
                break;
            }
            before = moved;
            change = 0.0;
            down = true;
            cycles += 1u;
        }
    }
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

fn read_cells(g: Grid, i: vec4<u32>) -> mat4x4<f32> {
    if g.near {
        return mat4x4<f32>(near_cells[i.x], near_cells[i.y], near_cells[i.z], near_cells[i.w]);
    }
    return mat4x4<f32>(far_cells[i.x], far_cells[i.y], far_cells[i.z], far_cells[i.w]);
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
    let is_inside = vec4<bool>(x > 0u, x + 1u < g.side, y > 0u, y + 1u < g.side);
    let neighbours = read_cells(g, select(vec4<u32>(at), vec4<u32>(at - 1u, at + 1u, at - g.side, at + g.side), is_inside));
    let hidden = vec4<f32>(neighbours[0].w, neighbours[1].w, neighbours[2].w, neighbours[3].w) > vec4<f32>();
    let weights = select(vec4<f32>(), select(vec4<f32>(g.rim_weight), vec4<f32>(1.0), hidden), is_inside);
    return vec4<f32>((neighbours * weights).xyz, dot(weights, vec4<f32>(1.0)));
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
        let own = vec2<u32>(cell.x / 2u, cell.y / 2u);
        // to the left or right, and above or below; itself beyond the picture
        let beside = own + 2u * vec2<u32>(cell.x % 2u, cell.y % 2u) - 1u;
        let is_inside = beside < vec2<u32>(coarse.side);
        let next = select(own, beside, is_inside);
        let rows = coarse.first + coarse.side * vec2<u32>(own.y, next.y);
        let four = read_cells(coarse, vec4<u32>(rows.x + own.x, rows.x + next.x, rows.y + own.x, rows.y + next.x));
        let h = shares(is_inside.x, four[1].w > 0.0, near);
        let v = shares(is_inside.y, four[2].w > 0.0, near);
        let moved = (four * vec4<f32>(h.x * v.x, h.y * v.x, h.x * v.y, h.y * v.y)).xyz;
        let at = fine.first + cell.y * fine.side + cell.x;
        write_cell(fine, at, vec4<f32>(read_cell(fine, at).xyz + moved, 1.0));
        let size = abs(moved);
        change = max(change, max(size.x, max(size.y, size.z)));
    }
    return change;
}

// The share of a coarse cell, and of its neighbour: a hidden one, one beyond the picture, or the rim.
fn shares(is_inside: bool, is_hidden: bool, near: f32) -> vec2<f32> {
    let alone = vec2<f32>(select(1.0, near, is_inside), 0.0);
    return select(alone, vec2<f32>(0.75, 0.25), is_inside && is_hidden);
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
