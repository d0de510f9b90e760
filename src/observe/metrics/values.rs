//! What is counted: by words of a fixed list, and by time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number for each word of a list that is fixed when the program is written. A word from elsewhere has no number: nothing
/// that a client says can make a new series.
#[derive(Debug)]
pub(super) struct Words {
    words: Vec<&'static str>,
    values: Box<[AtomicU64]>,
}

impl Words {
    pub(super) fn new(words: impl IntoIterator<Item = &'static str>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        let values = words.iter().map(|_| AtomicU64::new(0)).collect();
        Self { words, values }
    }

    fn value(&self, word: &str) -> Option<&AtomicU64> {
        let at = self.words.iter().position(|known| *known == word);
        debug_assert!(at.is_some(), "{word:?} is in no list");
        at.map(|at| &self.values[at])
    }

    pub(super) fn add(&self, word: &str) {
        if let Some(value) = self.value(word) {
            value.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn subtract(&self, word: &str) {
        if let Some(value) = self.value(word) {
            value.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.words.iter().zip(&self.values).map(|(word, value)| (*word, value.load(Ordering::Relaxed)))
    }
}

/// Durations, counted in few fixed buckets: a login or handshake adds to one of them and to the sum.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; Self::LIMITS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// The largest duration of each bucket but the last, in seconds.
    pub(super) const LIMITS: [f64; 7] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0];

    pub(super) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let at = Self::LIMITS.iter().position(|limit| seconds <= *limit).unwrap_or(Self::LIMITS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The count of each bucket by itself, and the sum in seconds.
    pub(super) fn read(&self) -> ([u64; Self::LIMITS.len() + 1], f64) {
        let counts = std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed));
        (counts, self.micros.load(Ordering::Relaxed) as f64 / 1e6)
    }
}

/// Declares an enum whose variants are label values.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Each of them once.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The label's value.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}
pub(super) use labels;
