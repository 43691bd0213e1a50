//! Work shared by threads, its results in the order of what was worked on.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::{Context, Result};

/// How many results a thread keeps while another thread's are waited for.
const AHEAD: usize = 4;

/// Gives every input to a worker and hands over what it makes of it, in order. Each worker has a thread.
///
/// # Errors
/// The first one that a worker or `hand_over` returns.
pub fn in_order<I: Sync, T: Send>(
    inputs: &[I],
    workers: Vec<impl FnMut(&I) -> Result<T> + Send>,
    mut hand_over: impl FnMut(&I, T) -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let count = workers.len();
        // Each thread takes every `count`-th input, so that the order needs no sorting and nothing runs far ahead.
        let receivers: Vec<Receiver<Result<T>>> = workers
            .into_iter()
            .enumerate()
            .map(|(first, mut worker)| {
                let (sender, receiver) = sync_channel(AHEAD);
                scope.spawn(move || {
                    for input in inputs.iter().skip(first).step_by(count) {
                        let made = worker(input);
                        let failed = made.is_err();
                        if sender.send(made).is_err() || failed {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        for (index, input) in inputs.iter().enumerate() {
            // A thread ends early when it has failed, and then it has said why before.
            let made = receivers[index % count].recv().context("a thread has ended before its work")?;
            hand_over(input, made?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_inputs_up_to_the_first_failure() {
        let inputs: Vec<u64> = (0..50).collect();
        for count in [1, 3, 7] {
            let square = || |input: &u64| if *input == 40 { bail!("forty") } else { Ok(input * input) };
            let mut squares = Vec::new();
            let error = in_order(&inputs, (0..count).map(|_| square()).collect(), |input, square| {
                squares.push((*input, square));
                Ok(())
            });
            assert_eq!(error.unwrap_err().to_string(), "forty");
            assert!(squares.into_iter().eq((0..40).map(|input| (input, input * input))));
        }
    }
}
