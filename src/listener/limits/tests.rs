use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

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

/// A listener's own limits: `max.connections` and the creation rate.
fn own(max_connections: Option<u32>, max_connection_creation_rate: Option<u32>) -> ListenerLimits {
    ListenerLimits {
        max_connections,
        max_connection_creation_rate,
        max_unauthenticated_connections: UNLIMITED,
        max_unauthenticated_connections_per_ip: UNLIMITED,
    }
}

/// At most so many that are not known, and so many of them from one address.
fn strangers(all: u32, per_ip: u32) -> ListenerLimits {
    ListenerLimits {
        max_unauthenticated_connections: all,
        max_unauthenticated_connections_per_ip: per_ip,
        ..own(None, None)
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn kept_addresses(limiter: &ConnectionLimiter) -> usize {
    limiter.per_ip.kept()
}

async fn waits(listener: &ListenerLimiter) -> bool {
    timeout(Duration::from_secs(3600), listener.admit(Some(ip("10.0.0.1")))).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn the_broker_wide_limit_makes_every_acceptor_wait() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connections: 2, ..limits() });
    let (a, b) = (limiter.listener(&own(None, None)), limiter.listener(&own(Some(UNLIMITED), None)));
    let first = a.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    let _second = b.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    assert!(waits(&a).await && waits(&b).await);
    drop(first);
    let _third = b.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    assert!(waits(&a).await);
}

#[tokio::test(start_paused = true)]
async fn a_full_listener_holds_up_no_other() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connections: 2, ..limits() });
    let (full, other) = (limiter.listener(&own(Some(1), None)), limiter.listener(&own(None, None)));
    let first = full.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    let mut waiting = Box::pin(full.admit(Some(ip("10.0.0.1"))));
    assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err());
    let second = other.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    drop(first);
    let _third = waiting.await.expect("a place");
    drop(second);
    assert!(waits(&full).await);
    // A limit of 0 is legal and lets nobody in.
    assert!(waits(&limiter.listener(&own(Some(0), None))).await);
}

#[tokio::test(start_paused = true)]
async fn addresses_are_counted_over_all_listeners() {
    let overrides = HashMap::from([(ip("10.0.0.2"), 0), (ip("::ffff:10.0.0.3"), 2), (ip("2001:db8::1"), 3)]);
    let config =
        ConnectionLimits { max_connections_per_ip: 1, max_connections_per_ip_overrides: overrides, ..limits() };
    let limiter = ConnectionLimiter::new(&config);
    let (a, b) = (limiter.listener(&own(None, None)), limiter.listener(&own(None, None)));
    let first = a.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    assert_eq!(b.admit(Some(ip("10.0.0.1"))).await.err(), Some(AddressLimitReached::Connections));
    assert_eq!(b.admit(Some(ip("::ffff:10.0.0.1"))).await.err(), Some(AddressLimitReached::Connections));
    let other = b.admit(Some(ip("::10.0.0.1"))).await.expect("another address");
    assert_eq!(a.admit(Some(ip("10.0.0.2"))).await.err(), Some(AddressLimitReached::Connections));
    let two = (a.admit(Some(ip("10.0.0.3"))).await.expect("1"), b.admit(Some(ip("::ffff:10.0.0.3"))).await.expect("2"));
    assert_eq!(a.admit(Some(ip("10.0.0.3"))).await.err(), Some(AddressLimitReached::Connections));
    assert_eq!(kept_addresses(&limiter), 3);
    drop(two.0);
    assert_eq!(kept_addresses(&limiter), 3);
    drop((first, other, two.1));
    assert_eq!(kept_addresses(&limiter), 0);
    assert!(a.admit(Some(ip("10.0.0.1"))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_address_over_its_limit_is_told_so_even_where_all_places_are_taken() {
    let config = ConnectionLimits { max_connections: 1, max_connections_per_ip: 1, ..limits() };
    let limiter = ConnectionLimiter::new(&config);
    let listener = limiter.listener(&own(None, None));
    let first = listener.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    assert_eq!(listener.admit(Some(ip("10.0.0.1"))).await.err(), Some(AddressLimitReached::Connections));
    // One that gives up waiting leaves nothing behind.
    assert!(timeout(Duration::from_secs(1), listener.admit(Some(ip("10.0.0.2")))).await.is_err());
    assert_eq!(kept_addresses(&limiter), 1);
    drop(first);
    assert_eq!(kept_addresses(&limiter), 0);
}

/// How many connections get in, and after which times from the beginning.
async fn times(listener: &ListenerLimiter, count: usize) -> Vec<u128> {
    let begin = Instant::now();
    let mut times = Vec::new();
    for _ in 0..count {
        let _permit = listener.admit(Some(ip("10.0.0.1"))).await.expect("a place");
        times.push(begin.elapsed().as_millis());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn the_rate_lets_a_second_of_connections_in_at_once_and_then_delays() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connection_creation_rate: 4, ..limits() });
    let listener = limiter.listener(&own(None, None));
    assert_eq!(times(&listener, 8).await, [0, 0, 0, 0, 250, 500, 750, 1000]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(times(&listener, 6).await, [0, 0, 0, 0, 250, 500]);
    // The listener's own, slower one.
    let listener = ConnectionLimiter::new(&limits()).listener(&own(None, Some(1)));
    assert_eq!(times(&listener, 4).await, [0, 1000, 2000, 3000]);
}

#[tokio::test(start_paused = true)]
async fn no_accept_is_held_back_for_more_than_a_second() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connection_creation_rate: 1, ..limits() });
    let begin = Instant::now();
    let listener = limiter.listener(&own(None, None));
    let one = || async {
        let _permit = listener.admit(Some(ip("10.0.0.1"))).await.expect("a place");
        begin.elapsed()
    };
    let many = tokio::join!(one(), one(), one(), one());
    assert_eq!(many, (Duration::ZERO, MAX_RATE_DELAY, MAX_RATE_DELAY, MAX_RATE_DELAY));
    let none = limiter.listener(&own(None, Some(0)));
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
            let (listener, inside) = (limiter.listener(&own(None, None)), Arc::clone(&inside));
            tokio::spawn(async move {
                let mut admitted = 0;
                for round in 0..500 {
                    let client = (task + round) % 3;
                    let address = IpAddr::from([10, 0, 0, client as u8]);
                    let Ok(permit) = listener.admit(Some(address)).await else { continue };
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
    assert_eq!(limiter.total.free(), 5);
}

#[tokio::test(start_paused = true)]
async fn strangers_wait_for_other_strangers_only() {
    let limiter = ConnectionLimiter::new(&limits());
    let (listener, other) = (limiter.listener(&strangers(2, UNLIMITED)), limiter.listener(&strangers(2, UNLIMITED)));
    let mut first = listener.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    assert!(!listener.waits_for_logins());
    let _second = listener.admit(Some(ip("10.0.0.2"))).await.expect("a place");
    assert!(listener.waits_for_logins() && waits(&listener).await);
    assert!(!other.waits_for_logins() && other.admit(Some(ip("10.0.0.1"))).await.is_ok());
    // One that has logged in makes room without leaving.
    first.authenticated();
    let _third = listener.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    assert!(waits(&listener).await);
    drop(first);
    assert!(waits(&listener).await);
}

#[tokio::test(start_paused = true)]
async fn an_address_has_a_share_of_the_strangers() {
    let listener = ConnectionLimiter::new(&limits()).listener(&strangers(4, 2));
    let admit = |address| listener.admit(Some(ip(address)));
    let mut held = vec![admit("2001:db8::1").await.expect("a place"), admit("2001:db8::2").await.expect("a place")];
    // The /64 is one address, and is told at once.
    let refused = |result: Result<ConnectionPermit, _>| result.err() == Some(AddressLimitReached::Unauthenticated);
    assert!(refused(admit("2001:db8::ffff:3").await));
    held.push(admit("2001:db8:0:1::1").await.expect("another network"));
    assert!(admit("10.0.0.1").await.is_ok());
    held[0].authenticated();
    held.push(admit("2001:db8::3").await.expect("a share"));
    assert!(refused(admit("2001:db8::4").await));
    drop(held);
    assert_eq!((listener.unauthenticated_per_ip.kept(), listener.broker.per_ip.kept()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_address_behind_a_balancer_counts_once_it_is_known() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connections_per_ip: 1, ..limits() });
    let listener = limiter.listener(&strangers(3, UNLIMITED));
    let mut first = listener.admit(None).await.expect("a place");
    let mut second = listener.admit(None).await.expect("a place");
    assert_eq!(kept_addresses(&limiter), 0);
    assert_eq!(listener.admit_address(&mut first, ip("10.0.0.1")), Ok(()));
    assert_eq!(listener.admit_address(&mut second, ip("10.0.0.1")), Err(AddressLimitReached::Connections));
    // The balancer's own address does not stay counted beside the client's.
    let mut third = listener.admit(Some(ip("10.0.0.9"))).await.expect("a place");
    assert_eq!(listener.admit_address(&mut third, ip("10.0.0.2")), Ok(()));
    assert_eq!(kept_addresses(&limiter), 2);
    // A place among the strangers is taken from the beginning.
    assert!(listener.waits_for_logins());
    drop((first, second, third));
    assert_eq!((kept_addresses(&limiter), listener.unauthenticated.free()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_shrinks_lets_nobody_in_until_enough_have_left() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connections: 4, ..limits() });
    let listener = limiter.listener(&own(None, None));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(listener.admit(Some(ip("10.0.0.1"))).await.expect("a place"));
    }
    limiter.apply(&ConnectionLimits { max_connections: 1, ..limits() });
    // Two leave: one is left, which is as many as there may be.
    for _ in 0..2 {
        assert!(waits(&listener).await);
        held.pop();
    }
    assert!(waits(&listener).await);
    held.pop();
    held.push(listener.admit(Some(ip("10.0.0.1"))).await.expect("a place"));
    assert!(waits(&listener).await);
    // Up again, while one waits, and by less than is owed at first.
    limiter.apply(&ConnectionLimits { max_connections: 2, ..limits() });
    held.push(listener.admit(Some(ip("10.0.0.1"))).await.expect("a place"));
    limiter.apply(&ConnectionLimits { max_connections: 0, ..limits() });
    limiter.apply(&ConnectionLimits { max_connections: 1, ..limits() });
    assert!(waits(&listener).await);
    held.pop();
    assert!(waits(&listener).await);
    limiter.apply(&limits());
    held.push(listener.admit(Some(ip("10.0.0.1"))).await.expect("a place"));
    drop(held);
    assert_eq!(limiter.total.free(), UNLIMITED as usize);
    // What was owed is forgotten when all have left.
    limiter.apply(&ConnectionLimits { max_connections: 1, ..limits() });
    assert!(listener.admit(Some(ip("10.0.0.1"))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_that_gives_up_waiting_does_not_open_a_place_that_is_owed() {
    let limiter = ConnectionLimiter::new(&ConnectionLimits { max_connections: 1, ..limits() });
    let listener = limiter.listener(&own(None, None));
    let first = listener.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    let mut waiting = Box::pin(listener.admit(Some(ip("10.0.0.1"))));
    assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err());
    // The place goes to the one that waits, which is not looked at any more; then there shall be none.
    drop(first);
    limiter.apply(&ConnectionLimits { max_connections: 0, ..limits() });
    drop(waiting);
    assert!(waits(&listener).await);
    limiter.apply(&ConnectionLimits { max_connections: 1, ..limits() });
    assert!(!waits(&listener).await);
}

#[tokio::test(start_paused = true)]
async fn new_limits_hold_for_those_that_are_in() {
    let limiter = ConnectionLimiter::new(&limits());
    let listener = limiter.listener(&own(None, None));
    let held = listener.admit(Some(ip("10.0.0.1"))).await.expect("a place");
    let overrides = HashMap::from([(ip("::ffff:10.0.0.2"), 0)]);
    let config =
        ConnectionLimits { max_connections_per_ip: 1, max_connections_per_ip_overrides: overrides, ..limits() };
    limiter.apply(&config);
    assert_eq!(listener.admit(Some(ip("10.0.0.1"))).await.err(), Some(AddressLimitReached::Connections));
    assert_eq!(listener.admit(Some(ip("10.0.0.2"))).await.err(), Some(AddressLimitReached::Connections));
    limiter.apply(&limits());
    assert!(listener.admit(Some(ip("10.0.0.2"))).await.is_ok());
    // The listener's own.
    listener.apply(&ListenerLimits { max_connections: Some(1), ..strangers(2, 1) });
    assert_eq!(listener.admit(Some(ip("10.0.0.1"))).await.err(), Some(AddressLimitReached::Unauthenticated));
    assert!(timeout(Duration::from_secs(1), listener.admit(Some(ip("10.0.0.2")))).await.is_err());
    drop(held);
    assert!(listener.admit(Some(ip("10.0.0.1"))).await.is_ok());
    listener.apply(&own(None, Some(1)));
    assert_eq!(times(&listener, 3).await, [0, 1000, 2000]);
    listener.apply(&own(None, None));
    assert_eq!(times(&listener, 3).await, [0, 0, 0]);
}
