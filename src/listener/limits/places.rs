//! A number of places that can change while some are taken.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lock;

/// Places that are given in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    limit: u32,
    /// Places that are taken beyond the limit since it shrank; so many are not given again when they come back.
    owed: u32,
}

impl Places {
    pub(super) fn new(limit: u32) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(limit as usize));
        Arc::new(Self { free, size: Mutex::new(Size { limit, owed: 0 }) })
    }

    /// From now on there are `limit`. Those that are taken stay so: below their number, nobody gets in until enough have left.
    pub(super) fn resize(&self, limit: u32) {
        let mut size = lock(&self.size);
        if limit >= size.limit {
            let more = limit - size.limit;
            let repaid = more.min(size.owed);
            size.owed -= repaid;
            self.free.add_permits((more - repaid) as usize);
        } else {
            let fewer = size.limit - limit;
            let forgotten = self.free.forget_permits(fewer as usize) as u32;
            size.owed += fewer - forgotten;
        }
        size.limit = limit;
    }

    /// Waits for a place. May be dropped at any time.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        loop {
            // Never closed, so that it does not fail.
            let permit = Arc::clone(&self.free).acquire_owned().await.ok();
            // One that gave up waiting may have put a place back that is owed.
            if let Some(place) = self.unless_owed(permit) {
                return place;
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.free.available_permits() == 0
    }

    fn unless_owed(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> Option<Place> {
        let place = Place { permit, places: Arc::clone(self) };
        let is_owed = lock(&self.size).owed > 0;
        (!is_owed).then_some(place)
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free.available_permits()
    }
}

/// One place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut size = lock(&self.places.size);
        if size.owed > 0
            && let Some(permit) = self.permit.take()
        {
            size.owed -= 1;
            permit.forget();
        }
        // Else it goes back here, under the lock, so that a change of the limit sees it either taken or free.
        drop(self.permit.take());
    }
}
