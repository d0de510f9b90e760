//! A few threads for what takes milliseconds of computing: neither the workers nor the clients of others wait for it.

use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use super::fair_queue::{FairQueue, Waits};

/// The threads give way to those that relay, where the processors do not suffice for both (`nice`).
const NICENESS: i32 = 10;

/// Threads that are started when they are first needed, and end with this value.
pub(super) struct Pool {
    inner: Arc<Inner>,
    most: usize,
}

struct Inner {
    state: Mutex<State>,
    there_is_work: Condvar,
    running: AtomicU64,
    abandoned: AtomicU64,
    pushed_out: AtomicU64,
}

#[derive(Default)]
struct State {
    queue: FairQueue<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

type Job = Box<dyn Work>;

trait Work: Send {
    fn is_wanted(&self) -> bool;
    fn run(self: Box<Self>);
}

impl Waits for Job {
    fn is_wanted(&self) -> bool {
        (**self).is_wanted()
    }
}

struct Call<T, F> {
    call: F,
    result: oneshot::Sender<T>,
}

impl<T: Send, F: FnOnce() -> T + Send> Work for Call<T, F> {
    fn is_wanted(&self) -> bool {
        !self.result.is_closed()
    }

    fn run(self: Box<Self>) {
        // Whoever asked may have left meanwhile.
        let _ = self.result.send((self.call)());
    }
}

/// There is no room for another job of this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Pool {
    /// At most so many threads, and at least one.
    pub(super) fn new(threads: usize) -> Self {
        let inner = Inner {
            state: Mutex::default(),
            there_is_work: Condvar::new(),
            running: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            pushed_out: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner), most: threads.max(1) }
    }

    /// Has `call` run when the turn of `from` comes. If what this gives is dropped before, it is not run. It gives nothing if the
    /// call panicked or had to make room for those of others.
    pub(super) fn run<T, F>(&self, from: IpAddr, call: F) -> Result<impl Future<Output = Option<T>> + use<T, F>, Full>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (result, answer) = oneshot::channel();
        let mut state = self.inner.lock();
        let pushed = state.queue.push(from, Box::new(Call { call, result }));
        if pushed.is_ok() && state.idle < state.queue.len() && state.threads < self.most {
            let inner = Arc::clone(&self.inner);
            let name = format!("passwords-{}", state.threads);
            match thread::Builder::new().name(name).spawn(move || inner.work()) {
                Ok(_) => state.threads += 1,
                // With none at all the login waits for its deadline, and the next one tries again.
                Err(error) => tracing::error!(%error, "a thread for password checks could not be started"),
            }
        }
        drop(state);
        // What is refused or dropped instead is not dropped under the lock.
        self.inner.pushed_out.fetch_add(u64::from(matches!(&pushed, Ok(Some(_)))), Ordering::Relaxed);
        drop(pushed.map_err(|_| Full)?);
        self.inner.there_is_work.notify_one();
        Ok(async { answer.await.ok() })
    }

    pub(super) fn queued(&self) -> usize {
        self.inner.lock().queue.len()
    }

    pub(super) fn running(&self) -> u64 {
        self.inner.running.load(Ordering::Relaxed)
    }

    /// Jobs that made room for those of others.
    pub(super) fn pushed_out(&self) -> u64 {
        self.inner.pushed_out.load(Ordering::Relaxed)
    }

    pub(super) fn abandoned(&self) -> u64 {
        self.inner.abandoned.load(Ordering::Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.inner.lock().closed = true;
        self.inner.there_is_work.notify_all();
    }
}

impl Inner {
    fn work(&self) {
        give_way();
        while let Some(job) = self.next() {
            self.running.fetch_add(1, Ordering::Relaxed);
            // A bug in one check must not take the thread from all others; its client gets no answer.
            if catch_unwind(AssertUnwindSafe(|| job.run())).is_err() {
                tracing::error!("a password check panicked");
            }
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for a job; `None` when the pool has ended.
    fn next(&self) -> Option<Job> {
        let mut unwanted = Vec::new();
        loop {
            let mut state = self.lock();
            let job = state.queue.pop(|job| unwanted.push(job));
            if job.is_none() && unwanted.is_empty() {
                if state.closed {
                    return None;
                }
                state.idle += 1;
                let mut state = self.there_is_work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            }
            self.abandoned.fetch_add(unwanted.len() as u64, Ordering::Relaxed);
            // What they hold is not dropped under the lock.
            drop(state);
            unwanted.clear();
            if job.is_some() {
                return job;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What it guards is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On Linux a thread has a priority of its own.
fn give_way() {
    let own = Some(rustix::thread::gettid());
    if let Err(error) = rustix::process::setpriority_process(own, NICENESS) {
        tracing::debug!(%error, "the threads for password checks have the priority of all others");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    /// Occupies a thread of the pool until the sender is dropped.
    fn occupy(pool: &Pool) -> (mpsc::Sender<()>, impl Future<Output = Option<()>> + use<>) {
        let (release, held) = mpsc::channel::<()>();
        let (told, begun) = mpsc::channel();
        let wait = move || {
            told.send(()).unwrap();
            let _ = held.recv_timeout(LONG);
        };
        let done = pool.run(ip(99), wait).expect("room");
        begun.recv_timeout(LONG).expect("it begins");
        (release, done)
    }

    #[test]
    fn one_address_that_floods_delays_another_by_one_job_for_each_thread() {
        let pool = Pool::new(2);
        let holds = [occupy(&pool), occupy(&pool)];
        let (told, order) = mpsc::channel();
        let job = |name: &'static str| {
            let told = told.clone();
            move || told.send(name).unwrap()
        };
        let mut flood = Vec::new();
        while let Ok(answer) = pool.run(ip(1), job("flood")) {
            flood.push(answer);
        }
        assert!(flood.len() > 500 && pool.queued() == flood.len());
        let answer = pool.run(ip(2), job("other")).expect("room");
        assert_eq!(pool.running(), 2);
        drop(holds);
        assert_eq!(block_on(answer), Some(()));
        let before = order.iter().take_while(|name| *name == "flood").count();
        assert!(before <= 2, "{before}");
        flood.into_iter().for_each(|answer| assert_eq!(block_on(answer), Some(())));
    }

    #[test]
    fn what_nobody_waits_for_is_not_run_and_a_panic_costs_no_thread() {
        let pool = Pool::new(1);
        let (hold, done) = occupy(&pool);
        let given_up = pool.run(ip(1), || panic!("nobody waits for it")).expect("room");
        drop(given_up);
        let panics = pool.run(ip(1), || panic!("as a bug would")).expect("room");
        let last = pool.run(ip(1), || 7).expect("room");
        drop(hold);
        assert_eq!(block_on(done), Some(()));
        assert_eq!(block_on(panics), None::<()>);
        assert_eq!(block_on(last), Some(7));
        assert_eq!((pool.abandoned(), pool.queued(), pool.inner.lock().threads), (1, 0, 1));
    }

    #[test]
    fn threads_begin_when_there_is_work_and_end_with_the_pool() {
        let pool = Pool::new(3);
        assert_eq!(pool.inner.lock().threads, 0);
        let (name, niceness) = block_on(
            pool.run(ip(1), || {
                let own = Some(rustix::thread::gettid());
                (thread::current().name().map(str::to_owned), rustix::process::getpriority_process(own))
            })
            .expect("room"),
        )
        .expect("an answer");
        assert_eq!(name.as_deref(), Some("passwords-0"));
        assert!(niceness.unwrap() >= NICENESS);
        let inner = Arc::downgrade(&pool.inner);
        drop(pool);
        let deadline = std::time::Instant::now() + LONG;
        while inner.strong_count() > 0 && std::time::Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!(inner.strong_count(), 0);
    }
}
