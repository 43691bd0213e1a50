//! A fused graph to operations over values.

use glimpse_models::onnx::{Bytes, NodeProto};
use glimpse_models::{ModelSpec, Part};

use super::GpuError;
use super::blocks::Block;
use crate::fuse::{self, Attention, LayerNorm, Linear, Made, Operator, Patterns, Values, input, output, placeholder};

/// Values that a kernel reads and writes together: widths are multiples of it.
const BLOCK: usize = 4;
/// Parts of a head's width, and the most of them (`attention.wgsl`).
const HEAD_PART: usize = 16;
const HEAD_PARTS: usize = 6;

/// Rows of a value: so many for each visible patch, and so many more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) each: usize,
    pub(super) more: usize,
}

impl Rows {
    /// How many there are of `visible` patches.
    pub(super) const fn of(self, visible: usize) -> usize {
        self.each * visible + self.more
    }
}

/// A matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) rows: Rows,
    pub(super) width: usize,
}

/// What is done.
#[derive(Debug)]
pub(super) enum Kind {
    /// With the first row of the input that is read.
    Linear {
        layer: Linear,
        first: usize,
    },
    LayerNorm(LayerNorm),
    Attention(Attention),
    /// What [`blocks::whole`](super::blocks::whole) makes of seven.
    Block(Box<Block>),
    /// Positions, then the class token: `[places + 1, width]`.
    Place {
        table: Vec<f32>,
        places: usize,
    },
    /// Positions, then the mask token: `[L + 1, width]`.
    Restore {
        table: Vec<f32>,
        places: usize,
    },
}

/// An operation: one value to another.
#[derive(Debug)]
pub(super) struct Operation {
    /// The name of the value that it makes.
    pub(super) name: String,
    /// Operators of the file that became it.
    pub(super) fused: Vec<String>,
    pub(super) kind: Kind,
    /// Places of values in [`Program::values`].
    pub(super) x: usize,
    pub(super) out: usize,
    /// The value that the answer is added to, and takes the place of.
    pub(super) onto: Option<usize>,
}

/// A part of a model. The first value is its input; indices are its second one.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) values: Vec<Value>,
    pub(super) operations: Vec<Operation>,
    pub(super) output: usize,
}

impl Program {
    /// Compiles a part's ONNX file.
    ///
    /// # Errors
    /// [`GpuError::Graph`] if it is none, [`GpuError::Operator`] if there is no kernel for something in it.
    pub(super) fn compile(part: Part, spec: &ModelSpec, onnx: &Bytes) -> Result<Self, GpuError> {
        let broken = |reason: String| GpuError::Graph { part, reason };
        let fuse::Fused { model, mut made } = fuse::read(onnx, Patterns::Sure).map_err(|e| broken(e.to_string()))?;
        let graph = model.graph.unwrap_or_default();
        let values = Values::of(&graph);
        let [first, indices] = graph.input.as_slice() else { return Err(broken("it has not two inputs".to_owned())) };
        let value = match part {
            Part::Encoder => Value { rows: Rows { each: 1, more: 0 }, width: spec.grid().patch_len() },
            Part::Decoder => Value { rows: Rows { each: 1, more: 1 }, width: spec.encoder().width },
        };
        let mut compiler = Compiler {
            part,
            spec,
            indices: &indices.name,
            graph: &values,
            names: vec![&first.name],
            program: Self { values: vec![value], operations: Vec::new(), output: 0 },
        };
        let mut made: Vec<Option<Made>> = made.drain(..).map(Some).collect();
        for node in values.nodes {
            let slot = placeholder(node).and_then(|placed| made.get_mut(placed.slot)?.take());
            if let Some(made) = slot {
                compiler.operator(node, made)?;
            }
        }
        let last = graph.output.first().map(|output| output.name.as_str()).unwrap_or_default();
        let output = compiler.known(last).ok_or_else(|| compiler.unknown(last))?;
        Ok(Self { output, ..compiler.program })
    }
}

struct Compiler<'a> {
    part: Part,
    spec: &'a ModelSpec,
    indices: &'a str,
    graph: &'a Values<'a>,
    /// The names of the program's values.
    names: Vec<&'a str>,
    program: Program,
}

impl<'a> Compiler<'a> {
    /// Adds one of our operators.
    fn operator(&mut self, node: &'a NodeProto, made: Made) -> Result<(), GpuError> {
        let refused = |reason| self.refused(node, made.operator.name(), reason);
        let Some(name) = input(node, 0) else { return Err(refused("it has no input")) };
        let is_linear = matches!(made.operator, Operator::Linear(_));
        // a layer may leave out the rows before one
        let (name, first) = match self.graph.maker(name) {
            Some((_, slice)) if is_linear => self.rows_from(slice).unwrap_or((name, 0)),
            _ => (name, 0),
        };
        let x = self.resolve(name)?;
        let value = self.program.values[x];
        let widths = made.operator.widths().unwrap_or([value.width; 2]);
        if widths.iter().any(|width| !width.is_multiple_of(BLOCK)) || widths[0] != value.width {
            return Err(self.refused(node, made.operator.name(), "its widths must be multiples of 4"));
        }
        let kind = match made.operator {
            Operator::Linear(layer) => Kind::Linear { layer, first },
            Operator::LayerNorm(norm) => Kind::LayerNorm(norm),
            Operator::Attention(attention) => {
                let parts = attention.head_width / HEAD_PART;
                if !attention.head_width.is_multiple_of(HEAD_PART) || !(1..=HEAD_PARTS).contains(&parts) {
                    return Err(self.refused(node, "Attention", "a head's width must be 16, 32, 48, 64, 80 or 96"));
                }
                Kind::Attention(attention)
            }
            Operator::HeadsApart(_) => {
                return Err(self.refused(node, "Attention", "its queries, keys and values are not side by side"));
            }
        };
        let onto = match input(node, 1) {
            Some(residual) => Some(self.ending(node, residual)?),
            None => None,
        };
        let rows = Rows { more: value.rows.more - first.min(value.rows.more), ..value.rows };
        self.add(node, made.fused, kind, x, Value { rows, width: widths[1] }, onto);
        Ok(())
    }

    /// A value that no node after this one reads, so that another may take its place.
    fn ending(&self, node: &NodeProto, name: &str) -> Result<usize, GpuError> {
        let known = self.known(name).filter(|&at| at > 0).ok_or_else(|| self.unknown(name))?;
        let here = self.graph.maker(output(node).unwrap_or_default()).map(|(at, _)| at);
        let last = self.graph.readers(name).iter().map(|(at, _)| *at).max();
        if last.is_some() && last == here {
            return Ok(known);
        }
        Err(self.refused(node, Linear::NAME, "what it adds to is read again later"))
    }

    fn add(
        &mut self,
        node: &'a NodeProto,
        fused: Vec<String>,
        kind: Kind,
        x: usize,
        value: Value,
        onto: Option<usize>,
    ) -> usize {
        let name = output(node).unwrap_or_default();
        let out = self.program.values.len();
        self.program.values.push(value);
        self.names.push(name);
        self.program.operations.push(Operation { name: name.to_owned(), fused, kind, x, out, onto });
        out
    }

    fn known(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    /// A value that is there, or that the nodes around the first block make.
    fn resolve(&mut self, name: &'a str) -> Result<usize, GpuError> {
        if let Some(known) = self.known(name) {
            return Ok(known);
        }
        self.placed(name).or_else(|| self.restored(name)).ok_or_else(|| self.unknown(name))
    }

    /// Class token upon the sum of a value and gathered positions.
    fn placed(&mut self, name: &str) -> Option<usize> {
        let (_, concat) = self.graph.maker(name).filter(|(_, node)| is_of_rows(node, "Concat"))?;
        let (_, sum) = self.graph.only("Add", input(concat, 1)?)?;
        let [(x, gather), ..] = [0, 1].map(|side| (input(sum, side), input(sum, 1 - side)));
        let (x, gather) = if self.known(x?).is_some() { (x?, gather?) } else { (gather?, x?) };
        let x = self.known(x)?;
        let width = self.program.values[x].width;
        let (_, gather) = self.graph.only("Gather", gather).filter(|(_, node)| is_of_rows(node, "Gather"))?;
        let places = self.spec.grid().len();
        if input(gather, 1)? != self.indices {
            return None;
        }
        let mut table = self.matrix(input(gather, 0)?, places, width)?;
        table.extend(self.matrix(input(concat, 0)?, 1, width)?);
        let fused = [gather, sum, concat].map(|node| node.op_type.clone()).to_vec();
        let rows = Rows { more: 1, ..self.program.values[x].rows };
        Some(self.add(concat, fused, Kind::Place { table, places }, x, Value { rows, width }, None))
    }

    /// Class token upon the grid's tokens, each a visible one or the mask token, and their positions.
    fn restored(&mut self, name: &str) -> Option<usize> {
        let (_, concat) = self.graph.maker(name).filter(|(_, node)| is_of_rows(node, "Concat"))?;
        let (_, class) = self.graph.only("Slice", input(concat, 0)?)?;
        let x_name = input(class, 0)?;
        let x = self.known(x_name)?;
        let width = self.program.values[x].width;
        let (_, sum) = self.graph.only("Add", input(concat, 1)?)?;
        let (gather, table) = [(0, 1), (1, 0)].into_iter().find_map(|(gather, table)| {
            Some((self.graph.only("Gather", input(sum, gather)?)?.1, input(sum, table)?))
        })?;
        let (_, choices) = self.graph.only("Concat", input(gather, 0)?)?;
        let (_, visible) = self.graph.only("Slice", input(choices, 1)?)?;
        let fits = is_of_rows(gather, "Gather")
            && is_of_rows(choices, "Concat")
            && input(gather, 1)? == self.indices
            && self.range(class)? == (0, 1)
            && self.range(visible)? == (1, i64::MAX)
            && input(visible, 0)? == x_name;
        let places = self.spec.grid().len();
        let mut table = self.matrix(table, places, width).filter(|_| fits)?;
        table.extend(self.matrix(input(choices, 0)?, 1, width)?);
        let fused = [class, visible, choices, gather, sum, concat].map(|node| node.op_type.clone()).to_vec();
        let rows = Rows { each: 0, more: places + 1 };
        Some(self.add(concat, fused, Kind::Restore { table, places }, x, Value { rows, width }, None))
    }

    /// What a node takes rows of, and the first of them, if it takes all from there on.
    fn rows_from(&self, node: &'a NodeProto) -> Option<(&'a str, usize)> {
        let (first, last) = self.range(node)?;
        let source = input(node, 0).filter(|_| node.op_type == "Slice" && last == i64::MAX)?;
        Some((source, usize::try_from(first).ok()?))
    }

    /// The rows that a `Slice` takes.
    fn range(&self, node: &NodeProto) -> Option<(i64, i64)> {
        let one = |at: usize| match self.graph.i64s(input(node, at)?)?.as_slice() {
            &[value] => Some(value),
            _ => None,
        };
        let by_rows = one(3)? == 0 && (node.input.len() < 5 || one(4)? == 1);
        Some((one(1)?, one(2)?)).filter(|_| node.op_type == "Slice" && by_rows)
    }

    /// A constant of so many rows.
    fn matrix(&self, name: &str, rows: usize, width: usize) -> Option<Vec<f32>> {
        let shape = [rows as i64, width as i64];
        let is_matrix = self.graph.constant(name)?.dims == shape;
        self.graph.f32s(name).filter(|values| is_matrix && values.len() == rows * width)
    }

    fn unknown(&self, name: &str) -> GpuError {
        let operator = self.graph.maker(name).map_or("an input", |(_, node)| node.op_type.as_str());
        GpuError::Operator {
            part: self.part,
            operator: operator.to_owned(),
            value: name.to_owned(),
            reason: "it is not as Glimpse exports it",
        }
    }

    fn refused(&self, node: &NodeProto, operator: &str, reason: &'static str) -> GpuError {
        let value = output(node).unwrap_or_default().to_owned();
        GpuError::Operator { part: self.part, operator: operator.to_owned(), value, reason }
    }
}

/// Whether a node is of that type, along rows.
fn is_of_rows(node: &NodeProto, op_type: &str) -> bool {
    node.op_type == op_type && fuse::int(node, "axis").unwrap_or(0) == 0
}
