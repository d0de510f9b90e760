//! A table that cannot grow beyond its size, whatever is put in.

use std::sync::{Mutex, MutexGuard, PoisonError};

const SETS: usize = 4096;
const WAYS: usize = 16;

/// Most entries of a table.
pub const MAX_ENTRIES: usize = SETS * WAYS;

/// Values by keys that are hashes already. A key has its place in one of many small sets, each with a lock of its own; where a
/// set is full, what was touched longest ago makes room. Nobody can choose the set: the hashes are keyed.
pub(super) struct Table<V> {
    sets: Box<[Mutex<Vec<Entry<V>>>]>,
}

struct Entry<V> {
    key: u128,
    touched: u64,
    value: V,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { sets: std::iter::repeat_with(Mutex::default).take(SETS).collect() }
    }
}

impl<V: Default> Table<V> {
    /// Changes the value of a key; a new one is the default before.
    pub(super) fn update<R>(&self, key: u128, at: u64, change: impl FnOnce(&mut V) -> R) -> R {
        let mut set = self.set(key);
        let place = match set.iter().position(|entry| entry.key == key) {
            Some(place) => place,
            None => {
                let oldest = set.iter().enumerate().min_by_key(|(_, entry)| entry.touched).map(|(place, _)| place);
                if let Some(oldest) = oldest.filter(|_| set.len() >= WAYS) {
                    set.swap_remove(oldest);
                }
                set.push(Entry { key, touched: at, value: V::default() });
                set.len() - 1
            }
        };
        let entry = &mut set[place];
        entry.touched = entry.touched.max(at);
        change(&mut entry.value)
    }

    /// Changes the value of a key, if it is there; where `change` says that nothing is left of it, it goes.
    pub(super) fn release(&self, key: u128, change: impl FnOnce(&mut V) -> bool) {
        let mut set = self.set(key);
        let Some(place) = set.iter().position(|entry| entry.key == key) else { return };
        if change(&mut set[place].value) {
            set.swap_remove(place);
        }
    }

    pub(super) fn get(&self, key: u128) -> Option<V>
    where
        V: Copy,
    {
        self.set(key).iter().find(|entry| entry.key == key).map(|entry| entry.value)
    }

    fn set(&self, key: u128) -> MutexGuard<'_, Vec<Entry<V>>> {
        // What it guards is whole between any two statements.
        self.sets[(key % SETS as u128) as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.iter().map(|set| set.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_longest_ago_makes_room_and_nothing_grows() {
        let table: Table<u64> = Table::default();
        // All in one set.
        for n in 0..WAYS as u128 {
            table.update(n * SETS as u128, n as u64, |value| *value = n as u64);
        }
        table.update(0, 100, |_| ());
        table.update(99 * SETS as u128, 101, |value| *value = 99);
        assert_eq!(table.get(0), Some(0));
        assert_eq!(table.get(SETS as u128), None);
        assert_eq!(table.get(99 * SETS as u128), Some(99));
        assert_eq!(table.len(), WAYS);
        for n in 0..2 * MAX_ENTRIES as u128 {
            table.update(n, n as u64, |_| ());
        }
        assert_eq!(table.len(), MAX_ENTRIES);
        table.release(0, |_| true);
        table.release(MAX_ENTRIES as u128, |_| true);
        assert_eq!(table.len(), MAX_ENTRIES - 1);
    }
}
