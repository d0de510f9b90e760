use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::timeout;

use super::*;

fn limits() -> ConnectionLimits {
    ConnectionLimits {
        max_connections: UNLIMITED,
        max_connections_per_ip: UNLIMITED,
        max_connections_per_ip_overrides: HashMap::new(),
        max_connection_creation_rate: UNLIMITED,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn kept_addresses(limiter: &ConnectionLimiter) -> usize {
    limiter.per_ip.as_ref().map_or(0, |per_ip| lock(&per_ip.connections).len())
}

async fn waits(listener: &ListenerLimiter) -> bool {
    timeout(Duration::from_secs(3600), listener.admit(ip("10.0.0.1"))).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn the_broker_wide_limit_makes_every_acceptor_wait() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connections: 2, ..limits() });
    let (a, b) = (limiter.listener(None, None), limiter.listener(Some(UNLIMITED), None));
    let first = a.admit(ip("10.0.0.1")).await.expect("a place");
    let _second = b.admit(ip("10.0.0.1")).await.expect("a place");
    assert!(waits(&a).await && waits(&b).await);
    drop(first);
    let _third = b.admit(ip("10.0.0.1")).await.expect("a place");
    assert!(waits(&a).await);
}

#[tokio::test(start_paused = true)]
async fn a_full_listener_holds_up_no_other() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connections: 2, ..limits() });
    let (full, other) = (limiter.listener(Some(1), None), limiter.listener(None, None));
    let first = full.admit(ip("10.0.0.1")).await.expect("a place");
    let mut waiting = Box::pin(full.admit(ip("10.0.0.1")));
    assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err());
    let second = other.admit(ip("10.0.0.1")).await.expect("a place");
    drop(first);
    let _third = waiting.await.expect("a place");
    drop(second);
    assert!(waits(&full).await);
    // A limit of 0 is legal and lets nobody in.
    assert!(waits(&limiter.listener(Some(0), None)).await);
}

#[tokio::test(start_paused = true)]
async fn addresses_are_counted_over_all_listeners() {
    let overrides = HashMap::from([(ip("10.0.0.2"), 0), (ip("::ffff:10.0.0.3"), 2), (ip("2001:db8::1"), 3)]);
    let config =
        ConnectionLimits { max_connections_per_ip: 1, max_connections_per_ip_overrides: overrides, ..limits() };
    let limiter = ConnectionLimiter::new(&config);
    let (a, b) = (limiter.listener(None, None), limiter.listener(None, None));
    let first = a.admit(ip("10.0.0.1")).await.expect("a place");
    assert_eq!(b.admit(ip("10.0.0.1")).await.err(), Some(PerIpLimitReached));
    assert_eq!(b.admit(ip("::ffff:10.0.0.1")).await.err(), Some(PerIpLimitReached));
    let other = b.admit(ip("::10.0.0.1")).await.expect("another address");
    assert_eq!(a.admit(ip("10.0.0.2")).await.err(), Some(PerIpLimitReached));
    let two = (a.admit(ip("10.0.0.3")).await.expect("1"), b.admit(ip("::ffff:10.0.0.3")).await.expect("2"));
    assert_eq!(a.admit(ip("10.0.0.3")).await.err(), Some(PerIpLimitReached));
    assert_eq!(kept_addresses(&limiter), 3);
    drop(two.0);
    assert_eq!(kept_addresses(&limiter), 3);
    drop((first, other, two.1));
    assert_eq!(kept_addresses(&limiter), 0);
    assert!(a.admit(ip("10.0.0.1")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_address_over_its_limit_is_told_so_even_where_all_places_are_taken() {
    let config = ConnectionLimits { max_connections: 1, max_connections_per_ip: 1, ..limits() };
    let limiter = ConnectionLimiter::new(&config);
    let listener = limiter.listener(None, None);
    let first = listener.admit(ip("10.0.0.1")).await.expect("a place");
    assert_eq!(listener.admit(ip("10.0.0.1")).await.err(), Some(PerIpLimitReached));
    // One that gives up waiting leaves nothing behind.
    assert!(timeout(Duration::from_secs(1), listener.admit(ip("10.0.0.2"))).await.is_err());
    assert_eq!(kept_addresses(&limiter), 1);
    drop(first);
    assert_eq!(kept_addresses(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_per_address_none_is_kept() {
    let limiter = ConnectionLimiter::new(&limits());
    let _permit = limiter.listener(None, None).admit(ip("10.0.0.1")).await.expect("a place");
    assert!(limiter.per_ip.is_none() && limiter.total.is_none() && limiter.rate.is_none());
}

/// How many connections get in, and after which times from the beginning.
async fn times(listener: &ListenerLimiter, count: usize) -> Vec<u128> {
    let begin = Instant::now();
    let mut times = Vec::new();
    for _ in 0..count {
        let _permit = listener.admit(ip("10.0.0.1")).await.expect("a place");
        times.push(begin.elapsed().as_millis());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn the_rate_lets_a_second_of_connections_in_at_once_and_then_delays() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connection_creation_rate: 4, ..limits() });
    let listener = limiter.listener(None, None);
    assert_eq!(times(&listener, 8).await, [0, 0, 0, 0, 250, 500, 750, 1000]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(times(&listener, 6).await, [0, 0, 0, 0, 250, 500]);
    // The listener's own, slower one.
    let listener = ConnectionLimiter::new(&limits()).listener(None, Some(1));
    assert_eq!(times(&listener, 4).await, [0, 1000, 2000, 3000]);
}

#[tokio::test(start_paused = true)]
async fn no_accept_is_held_back_for_more_than_a_second() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connection_creation_rate: 1, ..limits() });
    let begin = Instant::now();
    let listener = limiter.listener(None, None);
    let one = || async {
        let _permit = listener.admit(ip("10.0.0.1")).await.expect("a place");
        begin.elapsed()
    };
    let many = tokio::join!(one(), one(), one(), one());
    assert_eq!(many, (Duration::ZERO, MAX_RATE_DELAY, MAX_RATE_DELAY, MAX_RATE_DELAY));
    let none = limiter.listener(None, Some(0));
    assert_eq!(times(&none, 2).await, [1000, 2000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_are_exact_under_races() {
    const PER_IP: u32 = 3;
    let config = ConnectionLimits { max_connections: 5, max_connections_per_ip: PER_IP, ..limits() };
    let limiter = ConnectionLimiter::new(&config);
    let inside = Arc::new((AtomicU32::new(0), [0, 1, 2].map(AtomicU32::new)));
    inside.1.iter().for_each(|count| count.store(0, Ordering::SeqCst));
    let tasks: Vec<_> = (0..16usize)
        .map(|task| {
            let (listener, inside) = (limiter.listener(None, None), Arc::clone(&inside));
            tokio::spawn(async move {
                let mut admitted = 0;
                for round in 0..500 {
                    let client = (task + round) % 3;
                    let address = IpAddr::from([10, 0, 0, client as u8]);
                    let Ok(permit) = listener.admit(address).await else { continue };
                    admitted += 1;
                    assert!(inside.0.fetch_add(1, Ordering::SeqCst) < 5);
                    assert!(inside.1[client].fetch_add(1, Ordering::SeqCst) < PER_IP);
                    tokio::task::yield_now().await;
                    inside.1[client].fetch_sub(1, Ordering::SeqCst);
                    inside.0.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
                admitted
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.expect("no assertion failed");
    }
    assert!(admitted > 0);
    assert_eq!(kept_addresses(&limiter), 0);
    assert_eq!(limiter.total.as_ref().map(|total| total.available_permits()), Some(5));
}
