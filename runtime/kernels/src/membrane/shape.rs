//! Which pixels of a grid are unknown, and how far the known ones are.

use std::array::from_fn;

/// Above, below, left, right.
const DIRECTIONS: [[isize; 2]; 4] = [[-1, 0], [1, 0], [0, -1], [0, 1]];

/// Which pixels of a coarser grid are unknown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// Those from which all that is known nearby is seen. What is solved for then reaches up to the rim, and a cycle leaves
    /// little of the error; but now and then, where a few known pixels lie in a wide hole, it makes it grow.
    Seen,
    /// Those with unknown pixels all around them on the finer grid, which never makes it grow.
    Surrounded,
}

/// The unknown pixels of a grid.
#[derive(Debug)]
pub(super) struct Shape {
    pub height: usize,
    pub width: usize,
    /// `[H·W]`
    pub unknown: Vec<bool>,
    /// `[H + 4, W + 4]`: the pixels, and what lies two places around them.
    cells: Vec<Cell>,
    /// `[H·W]`: what lies next to an unknown pixel, by direction. None on the finest grid, where the pixels say it.
    next: Option<Vec<[Next; 4]>>,
}

/// What there is at a place of the grid, or around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Outside,
    Known,
    Unknown,
}

/// Places around a grid.
const MARGIN: usize = 2;

/// What lies next to an unknown pixel in one direction.
///
/// # Units
/// The grid's spacing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    /// An unknown pixel, 1 away.
    Unknown,
    /// Known values, which begin so far away: at most 1.
    Known(f32),
    /// The rectangle's edge, so far away.
    Edge(f32),
}

impl Next {
    /// The same, seen from one pixel further away on a grid of twice the spacing.
    fn seen_from_before(self) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Known(far) => Self::Known(f32::midpoint(1.0, far)),
            Self::Edge(far) => Self::Edge(f32::midpoint(1.0, far)),
        }
    }

    /// The same, on a grid of twice the spacing.
    fn coarsely(self) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Known(far) => Self::Known(far / 2.0),
            Self::Edge(far) => Self::Edge(far / 2.0),
        }
    }

    /// How far the pixel's cell goes.
    fn half(self) -> f32 {
        match self {
            Self::Unknown => 0.5,
            Self::Known(far) => far / 2.0,
            Self::Edge(far) => far,
        }
    }

    /// How much flows in for each step of value and of length.
    fn flow(self) -> f32 {
        match self {
            Self::Unknown => 1.0,
            Self::Known(far) => 1.0 / far,
            Self::Edge(_) => 0.0,
        }
    }
}

impl Shape {
    /// The finest grid.
    ///
    /// # Shapes
    /// - `unknown`: `[H·W]`
    pub fn new(height: usize, width: usize, unknown: Vec<bool>) -> Self {
        let mut cells = vec![Cell::Outside; (height + 2 * MARGIN) * (width + 2 * MARGIN)];
        let rows = cells.chunks_exact_mut(width + 2 * MARGIN).skip(MARGIN);
        for (cells, unknown) in rows.zip(unknown.chunks_exact(width.max(1))) {
            for (cell, unknown) in cells[MARGIN..].iter_mut().zip(unknown) {
                *cell = if *unknown { Cell::Unknown } else { Cell::Known };
            }
        }
        Self { height, width, unknown, cells, next: None }
    }

    /// The grid of every second pixel, or none if no pixel of it would be unknown.
    pub fn coarser(&self, rule: Rule) -> Option<Self> {
        if self.height.max(self.width) < 3 {
            return None;
        }
        let (height, width) = (self.height.div_ceil(2), self.width.div_ceil(2));
        let is_unknown = |at: usize| match rule {
            Rule::Seen => self.sees_all_that_is_known(2 * (at / width), 2 * (at % width)),
            Rule::Surrounded => self.is_surrounded(2 * (at / width), 2 * (at % width)),
        };
        let unknown: Vec<bool> = (0..height * width).map(is_unknown).collect();
        if !unknown.contains(&true) {
            return None;
        }
        let mut coarser = Self::new(height, width, unknown);
        let next = (0..height * width).map(|at| {
            if coarser.unknown[at] { self.coarser_next(&coarser, at / width, at % width) } else { [Next::Unknown; 4] }
        });
        coarser.next = Some(next.collect());
        Some(coarser)
    }

    /// Whether a pixel is unknown, and what is known within two pixels lies along its row or its column and goes on to the
    /// second of them, or has a neighbour that others see.
    fn sees_all_that_is_known(&self, y: usize, x: usize) -> bool {
        let known = |dy, dx| self.is_known(y, x, [dy, dx]);
        if known(0, 0) {
            return false;
        }
        let passed_over = DIRECTIONS.iter().any(|[dy, dx]| known(*dy, *dx) && !known(2 * dy, 2 * dx));
        let alone_at_a_corner = [[-1, -1], [-1, 1], [1, -1], [1, 1]].iter().any(|&[dy, dx]| {
            let beside = [[dy, 0], [0, dx], [dy, 2 * dx], [2 * dy, dx]];
            known(dy, dx) && beside.iter().all(|[dy, dx]| !known(*dy, *dx))
        });
        !passed_over && !alone_at_a_corner
    }

    /// Whether a pixel and the eight around it are unknown.
    fn is_surrounded(&self, y: usize, x: usize) -> bool {
        !(-1..=1).any(|dy| (-1..=1).any(|dx| self.is_known(y, x, [dy, dx])))
    }

    fn coarser_next(&self, coarser: &Self, row: usize, col: usize) -> [Next; 4] {
        let (y, x) = (2 * row, 2 * col);
        from_fn(|direction| {
            let near = self.next(y, x, direction);
            if near != Next::Unknown {
                return near.coarsely();
            }
            let step @ [dy, dx] = DIRECTIONS[direction];
            match self.next(y.wrapping_add_signed(dy), x.wrapping_add_signed(dx), direction).seen_from_before() {
                Next::Unknown if coarser.cell(row, col, step) == Cell::Known => Next::Known(1.0),
                next => next,
            }
        })
    }

    /// What an unknown pixel's value is, from those around it: the first number times the sum of those left and right, the
    /// second times the sum of those above and below, and the third times what the equation is to come to.
    ///
    /// The equation is the flow into the pixel's cell, which ends half-way to its neighbours: through each side, what the
    /// values differ by over how far they are, times the side's length.
    pub fn equation(&self, y: usize, x: usize) -> [f32; 3] {
        let next: [Next; 4] = from_fn(|direction| self.next(y, x, direction));
        let [above, below, left, right] = next.map(Next::half);
        let (height, width) = (above + below, left + right);
        let flow = next.map(Next::flow);
        let diagonal = width * (flow[0] + flow[1]) + height * (flow[2] + flow[3]);
        // a pixel without any neighbour stays as it is
        [height, width, 1.0].map(|part| if diagonal > 0.0 { part / diagonal } else { 0.0 })
    }

    /// What lies next to an unknown pixel.
    fn next(&self, y: usize, x: usize, direction: usize) -> Next {
        match (&self.next, self.cell(y, x, DIRECTIONS[direction])) {
            (Some(next), _) => next[y * self.width + x][direction],
            (None, Cell::Unknown) => Next::Unknown,
            (None, Cell::Known) => Next::Known(1.0),
            (None, Cell::Outside) => Next::Edge(0.5),
        }
    }

    /// The known pixels that touch an unknown one.
    pub fn rim(&self) -> Vec<usize> {
        let touches = |at: &usize| {
            DIRECTIONS.iter().any(|step| self.cell(at / self.width, at % self.width, *step) == Cell::Unknown)
        };
        (0..self.unknown.len()).filter(|at| !self.unknown[*at]).filter(touches).collect()
    }

    /// Whether there is a known pixel some places away, at most two.
    fn is_known(&self, y: usize, x: usize, step: [isize; 2]) -> bool {
        self.cell(y, x, step) == Cell::Known
    }

    /// What there is some places away, at most two.
    fn cell(&self, y: usize, x: usize, [dy, dx]: [isize; 2]) -> Cell {
        let (y, x) = ((y + MARGIN).wrapping_add_signed(dy), (x + MARGIN).wrapping_add_signed(dx));
        self.cells[y * (self.width + 2 * MARGIN) + x]
    }
}
