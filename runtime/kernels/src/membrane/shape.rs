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
    /// `[H·W]`: what lies next to an unknown pixel, by direction.
    next: Vec<[Next; 4]>,
}

/// What lies next to an unknown pixel in one direction.
///
/// # Units
/// The grid's spacing.
#[derive(Clone, Copy, Debug)]
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
    fn from_before(self) -> Self {
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
        let mut shape = Self { height, width, unknown, next: Vec::new() };
        let next = |y, x, step| match shape.at(y, x, step) {
            Some(at) if shape.unknown[at] => Next::Unknown,
            Some(_) => Next::Known(1.0),
            None => Next::Edge(0.5),
        };
        shape.next = (0..height * width).map(|at| DIRECTIONS.map(|step| next(at / width, at % width, step))).collect();
        shape
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
        let mut coarser = Self { height, width, unknown, next: Vec::new() };
        coarser.next = (0..height * width).map(|at| self.coarser_next(&coarser, at / width, at % width)).collect();
        Some(coarser)
    }

    /// Whether a pixel is unknown, and what is known within two pixels lies along its row or its column and goes on to the
    /// second of them, or has a neighbour that others see.
    fn sees_all_that_is_known(&self, y: usize, x: usize) -> bool {
        let known = |dy, dx| self.is_known(y, x, [dy, dx]);
        let passed_over = DIRECTIONS.iter().any(|[dy, dx]| known(*dy, *dx) && !known(2 * dy, 2 * dx));
        let alone_at_a_corner = [[-1, -1], [-1, 1], [1, -1], [1, 1]].iter().any(|&[dy, dx]| {
            let beside = [[dy, 0], [0, dx], [dy, 2 * dx], [2 * dy, dx]];
            known(dy, dx) && beside.iter().all(|[dy, dx]| !known(*dy, *dx))
        });
        !known(0, 0) && !passed_over && !alone_at_a_corner
    }

    /// Whether a pixel and the eight around it are unknown.
    fn is_surrounded(&self, y: usize, x: usize) -> bool {
        !(-1..=1).any(|dy| (-1..=1).any(|dx| self.is_known(y, x, [dy, dx])))
    }

    fn coarser_next(&self, coarser: &Self, row: usize, col: usize) -> [Next; 4] {
        let (y, x) = (2 * row, 2 * col);
        from_fn(|direction| {
            let near = self.next[y * self.width + x][direction];
            match (near, self.at(y, x, DIRECTIONS[direction])) {
                (Next::Unknown, Some(next)) => match self.next[next][direction].from_before() {
                    Next::Unknown if coarser.is_known(row, col, DIRECTIONS[direction]) => Next::Known(1.0),
                    next => next,
                },
                _ => near.coarsely(),
            }
        })
    }

    /// What an unknown pixel's value is, from those around it: the first number times the sum of those left and right, the
    /// second times the sum of those above and below, and the third times what the equation is to come to.
    ///
    /// The equation is the flow into the pixel's cell, which ends half-way to its neighbours: through each side, what the
    /// values differ by over how far they are, times the side's length.
    pub fn equation(&self, y: usize, x: usize) -> [f32; 3] {
        let next = self.next[y * self.width + x];
        let [above, below, left, right] = next.map(Next::half);
        let (height, width) = (above + below, left + right);
        let flow = next.map(Next::flow);
        let diagonal = width * (flow[0] + flow[1]) + height * (flow[2] + flow[3]);
        // a pixel without any neighbour stays as it is
        [height, width, 1.0].map(|part| if diagonal > 0.0 { part / diagonal } else { 0.0 })
    }

    /// The known pixels that touch an unknown one.
    pub fn rim(&self) -> Vec<usize> {
        let touches = |at: &usize| {
            let (y, x) = (at / self.width, at % self.width);
            DIRECTIONS.iter().filter_map(|step| self.at(y, x, *step)).any(|near| self.unknown[near])
        };
        (0..self.unknown.len()).filter(|at| !self.unknown[*at]).filter(touches).collect()
    }

    /// Whether there is a known pixel some rows and columns away.
    fn is_known(&self, y: usize, x: usize, step: [isize; 2]) -> bool {
        self.at(y, x, step).is_some_and(|at| !self.unknown[at])
    }

    /// The index of the pixel that is some rows and columns away, if there is one.
    fn at(&self, y: usize, x: usize, [dy, dx]: [isize; 2]) -> Option<usize> {
        let (y, x) = (y.checked_add_signed(dy)?, x.checked_add_signed(dx)?);
        (y < self.height && x < self.width).then_some(y * self.width + x)
    }
}
