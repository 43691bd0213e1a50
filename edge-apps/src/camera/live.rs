//! What is asked of frames, and may be changed while they come.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use glimpse_runtime::Give;

use super::budget::Budget;
use crate::painting::Area;

/// What viewers may change.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub budget: Budget,
    /// What is never looked at, beside what the command line says: for each source, in pixels of its frames.
    pub never: Vec<Vec<Area>>,
}

/// Settings that viewers write and the loop reads, and which sources somebody looks at.
#[derive(Debug)]
pub struct Live {
    settings: Mutex<Settings>,
    /// So that the loop sees without a lock that nothing was changed.
    changes: AtomicU64,
    give: Give,
    /// Whether a picture is made for those who look.
    paints: bool,
    lookers: Vec<AtomicUsize>,
}

impl Live {
    /// For frames of so many sources, of which this much is made whether anybody looks or not.
    pub fn new(budget: Budget, sources: usize, give: Give, paints: bool) -> Self {
        Self {
            settings: Mutex::new(Settings { budget, never: vec![Vec::new(); sources] }),
            changes: AtomicU64::new(0),
            give,
            paints,
            lookers: (0..sources).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// The settings, if they were changed since; `known` is what was known of them.
    pub fn newer(&self, known: &mut u64) -> Option<Settings> {
        let changes = self.changes.load(Ordering::Acquire);
        if changes == *known {
            return None;
        }
        *known = changes;
        Some(self.settings())
    }

    /// What is made of a source's next frame: a picture only where somebody looks.
    pub fn give(&self, source: usize) -> Give {
        match self.give {
            Give::Tokens if self.paints && self.is_looked_at(source) => Give::Both,
            give => give,
        }
    }

    pub fn is_looked_at(&self, source: usize) -> bool {
        self.lookers[source].load(Ordering::Relaxed) > 0
    }

    pub fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(feature = "serve")]
impl Live {
    /// Changes the settings, all at once.
    ///
    /// # Errors
    /// Those of `change`: nothing is changed then.
    pub fn change<E>(&self, change: impl FnOnce(&mut Settings) -> Result<(), E>) -> Result<Settings, E> {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = settings.clone();
        change(&mut changed)?;
        if *settings != changed {
            settings.clone_from(&changed);
            self.changes.fetch_add(1, Ordering::Release);
        }
        Ok(changed)
    }

    /// Looks at a source, until what is returned is dropped.
    pub fn look(self: &std::sync::Arc<Self>, source: usize) -> Looking {
        self.lookers[source].fetch_add(1, Ordering::Relaxed);
        Looking { live: std::sync::Arc::clone(self), source }
    }
}

/// Somebody looks at a source.
#[cfg(feature = "serve")]
#[derive(Debug)]
pub struct Looking {
    live: std::sync::Arc<Live>,
    source: usize,
}

#[cfg(feature = "serve")]
impl Drop for Looking {
    fn drop(&mut self) {
        self.live.lookers[self.source].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, feature = "serve"))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_change_is_seen_once_and_one_that_is_refused_never() {
        let live = Live::new(Budget::All, 2, Give::Tokens, true);
        let mut known = 0;
        assert_eq!(live.newer(&mut known), None);
        let change = |settings: &mut Settings| {
            settings.budget = Budget::Count(3);
            settings.never[1] = vec!["1,2,3,4".parse()?];
            Ok::<_, String>(())
        };
        let changed = live.change(change).unwrap();
        assert_eq!(live.newer(&mut known), Some(changed.clone()));
        assert_eq!(live.newer(&mut known), None);
        // as it is already
        live.change(change).unwrap();
        let refused = live.change(|settings| {
            settings.budget = Budget::All;
            Err("no")
        });
        assert_eq!((refused, live.newer(&mut known)), (Err("no"), None));
        assert_eq!(live.settings(), changed);
    }

    #[test]
    fn a_picture_is_made_while_somebody_looks() {
        let live = Arc::new(Live::new(Budget::All, 2, Give::Tokens, true));
        assert_eq!([live.give(0), live.give(1)], [Give::Tokens; 2]);
        let (first, second) = (live.look(1), live.look(1));
        assert_eq!([live.give(0), live.give(1)], [Give::Tokens, Give::Both]);
        drop(first);
        assert!(live.is_looked_at(1));
        drop(second);
        assert_eq!(live.give(1), Give::Tokens);
        let cannot = Arc::new(Live::new(Budget::All, 1, Give::Tokens, false));
        let _looking = cannot.look(0);
        assert_eq!(cannot.give(0), Give::Tokens);
    }
}
