//! Weights, packed for one family of CPUs.

use super::dot::{self, Layout};
use crate::Family;

/// The most inputs that a layer can have: with more, a sum of products of bytes might not fit into an i32.
pub const MOST_INPUTS: usize = 1 << 15;

/// The weights of a linear layer, with what its sums are finished with.
#[derive(Clone, Debug)]
pub struct Weights {
    pub(super) family: Family,
    pub(super) layout: Layout,
    /// `K`
    pub(super) inputs: usize,
    /// `N`
    pub(super) outputs: usize,
    /// Panels of columns, each as the family's tiles read it.
    pub(super) panels: Vec<i8>,
    /// Of the columns of all panels; those beyond the last one are 0, as are the two below.
    pub(super) sums: Vec<i32>,
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Weights {
    /// Packs weights. None if the layer is empty or has more than [`MOST_INPUTS`] inputs, or a slice is not of its shape.
    ///
    /// # Shapes
    /// - `weights`: `[K, N]`
    /// - `scale`: `[N]`, or `[1]` for all columns alike
    /// - `bias`: `[N]`, or empty
    #[must_use]
    pub fn pack(family: Family, inputs: usize, weights: &[i8], scale: &[f32], bias: &[f32]) -> Option<Self> {
        let outputs = weights.len().checked_div(inputs)?;
        let fits = (1..=MOST_INPUTS).contains(&inputs)
            && outputs > 0
            && weights.len() == inputs * outputs
            && [1, outputs].contains(&scale.len())
            && [0, outputs].contains(&bias.len());
        if !fits {
            return None;
        }
        let layout = dot::layout(family);
        let columns = outputs.next_multiple_of(layout.columns);
        let padded = |values: &[f32]| {
            let mut padded = if values.len() == 1 { vec![values[0]; outputs] } else { values.to_vec() };
            padded.resize(columns, 0.0);
            padded
        };
        let mut sums = vec![0i32; columns];
        for row in weights.chunks_exact(outputs) {
            for (sum, &weight) in sums.iter_mut().zip(row) {
                *sum += i32::from(weight);
            }
        }
        let depth = inputs.next_multiple_of(layout.group);
        let mut panels = vec![0i8; columns * depth];
        for (first, panel) in (0..outputs).step_by(layout.columns).zip(panels.chunks_exact_mut(layout.columns * depth))
        {
            let there = layout.columns.min(outputs - first);
            for (k, row) in weights.chunks_exact(outputs).enumerate() {
                let (group, within) = (k / layout.group, k % layout.group);
                for (column, &weight) in row[first..first + there].iter().enumerate() {
                    panel[(group * layout.columns + column) * layout.group + within] = weight;
                }
            }
        }
        Some(Self { family, layout, inputs, outputs, panels, sums, scale: padded(scale), bias: padded(bias) })
    }

    /// `K`
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// `N`
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// The CPUs that they are packed for.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Columns of a panel: work is split between threads at multiples of it.
    #[must_use]
    pub const fn panel_columns(&self) -> usize {
        self.layout.columns
    }

    /// Memory that they take, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.panels.len() + 4 * (self.sums.len() + self.scale.len() + self.bias.len())
    }
}
