//! From a picture's tokens to one row of features.

use ndarray::{Array1, ArrayView2, Axis, s};

use crate::{Error, Result};

/// Which row stands for the whole picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The class token.
    Cls,
    /// The mean of the patch tokens: of the visible ones, since the others have none.
    Mean,
}

impl Pool {
    /// The name on the command line and in reports: `cls` or `mean`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Mean => "mean",
        }
    }

    /// The picture's row.
    ///
    /// # Shapes
    /// - `tokens`: `[N+1, C]`, the class token first
    /// - returns `[C]`
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no token to take it from.
    pub fn row(self, tokens: ArrayView2<f32>) -> Result<Array1<f32>> {
        let missing = |least| Error::Shape {
            what: "tokens",
            expected: vec![least, tokens.ncols()],
            got: tokens.shape().to_vec(),
        };
        match self {
            Self::Cls if tokens.nrows() == 0 => Err(missing(1)),
            Self::Cls => Ok(tokens.row(0).to_owned()),
            Self::Mean if tokens.nrows() < 2 => Err(missing(2)),
            Self::Mean => tokens.slice(s![1.., ..]).mean_axis(Axis(0)).ok_or_else(|| missing(2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn the_class_token_is_first_and_no_part_of_the_mean() {
        let tokens = array![[100.0, -100.0], [1.0, 2.0], [3.0, 5.0]];
        assert_eq!(Pool::Cls.row(tokens.view()).unwrap(), array![100.0, -100.0]);
        assert_eq!(Pool::Mean.row(tokens.view()).unwrap(), array![2.0, 3.5]);
    }

    #[test]
    fn too_few_tokens_are_an_error() {
        assert!(matches!(Pool::Cls.row(Array2::zeros((0, 4)).view()), Err(Error::Shape { .. })));
        assert!(matches!(Pool::Mean.row(Array2::zeros((1, 4)).view()), Err(Error::Shape { .. })));
    }
}
