//! Whether another run is at a file.

use std::fs::{File, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a lock may stay that nobody means: a program that is just being started has all of ours until it begins.
const MOST_UNMEANT: Duration = Duration::from_millis(500);

/// Locks a file until it is closed; true where another run has locked it. Some file systems have no locks, which is no reason not to
/// write there.
pub fn is_taken(file: &File) -> bool {
    let start = Instant::now();
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if start.elapsed() >= MOST_UNMEANT {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_goes_soon_is_waited_for_and_one_that_stays_is_another_run_s() {
        let folder = tempfile::tempdir().unwrap();
        let open = || File::options().create(true).append(true).open(folder.path().join("a")).unwrap();
        let held = open();
        assert!(!is_taken(&held));
        assert!(is_taken(&open()));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(MOST_UNMEANT / 5);
                held.unlock().unwrap();
            });
            assert!(!is_taken(&open()));
        });
    }
}
