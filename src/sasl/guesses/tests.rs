use super::*;

const GUESSER: &str = "192.0.2.66";
const HOME: &str = "198.51.100.1";

struct Clocked(Arc<Guesses>, Instant);

impl Clocked {
    fn new(per_address: u32, per_account: u32) -> Self {
        let guesses = Arc::new(Guesses::new(per_address, per_account));
        let start = guesses.start;
        Self(guesses, start)
    }

    fn pass(&mut self, seconds: u64) {
        self.1 += Duration::from_secs(seconds);
    }

    fn admit(&self, from: &str, account: &str) -> Result<Admitted, HeldBack> {
        self.0.admit(from.parse().unwrap(), account, self.1)
    }

    /// Whether the wrong password was looked at.
    fn wrong(&self, from: &str, account: &str) -> bool {
        self.admit(from, account).map(|admitted| admitted.failed(self.1)).is_ok()
    }

    /// Whether the right password was looked at.
    fn right(&self, from: &str, account: &str) -> bool {
        self.admit(from, account).map(|admitted| admitted.succeeded(self.1)).is_ok()
    }
}

/// The guesses by `from` that are checked, of `tries`.
fn checked(clocked: &Clocked, from: &str, account: &str, tries: usize) -> usize {
    (0..tries).filter(|_| clocked.wrong(from, account)).count()
}

#[test]
fn a_guesser_gets_so_many_checks_and_the_rightful_user_gets_in() {
    // SEC-59: 1,000 guesses in a second from one source on one account.
    let clocked = Clocked::new(300, 60);
    assert_eq!(checked(&clocked, GUESSER, "alice", 1000), 60);
    assert_eq!(clocked.admit(GUESSER, "alice").err(), Some(HeldBack(GuessLimit::Account)));
    assert_eq!(clocked.0.held_back(GuessLimit::Account), 941);
    // The right one among the guesses is not looked at either.
    assert!(!clocked.right(GUESSER, "alice"));
    for _ in 0..1000 {
        assert!(clocked.right(HOME, "alice"));
    }
    // Another account, up to the limit of the address.
    assert_eq!(checked(&clocked, GUESSER, "bob", 1000), 60);
    let others = (0..1000).filter(|n| clocked.wrong(GUESSER, &format!("user-{n}"))).count();
    assert_eq!(others, 300 - 2 * 60);
    assert_eq!(clocked.admit(GUESSER, "carol").err(), Some(HeldBack(GuessLimit::Address)));
    assert!(clocked.0.held_back(GuessLimit::Address) > 0);
}

#[test]
fn no_minute_has_more_than_the_limit() {
    let mut clocked = Clocked::new(30, 0);
    let mut times = Vec::new();
    for second in 0..600 {
        for _ in 0..7 {
            if clocked.wrong(GUESSER, "alice") {
                times.push(second);
            }
        }
        clocked.pass(1);
    }
    let most = times.iter().map(|begin| times.iter().filter(|t| (*begin..begin + 60).contains(*t)).count()).max();
    assert_eq!(most, Some(30));
    // It comes back: after each 70 seconds at the latest there are 30 again.
    assert!(times.len() >= 600 / 70 * 30, "{}", times.len());
}

#[test]
fn an_account_under_attack_from_many_addresses_is_not_closed_to_its_user() {
    let mut clocked = Clocked::new(300, 60);
    let attackers: Vec<String> = (0..200).map(|n| format!("203.0.113.{n}")).collect();
    // Each has its first guess, and together no more than 60 beyond that.
    let mut seen = 0;
    for _ in 0..20 {
        seen += attackers.iter().filter(|from| clocked.wrong(from, "alice")).count();
    }
    assert_eq!(seen, 200);
    assert!(clocked.right(HOME, "alice"));
    // A slip of the rightful user's, from an address that has logged in before.
    assert!(clocked.wrong(HOME, "alice"));
    assert!(clocked.right(HOME, "alice"));
    // From an address that has not, it costs them the wait.
    assert!(clocked.wrong("198.51.100.2", "alice"));
    assert!(!clocked.right("198.51.100.2", "alice"));
    clocked.pass(71);
    assert!(clocked.right("198.51.100.2", "alice"));
}

#[test]
fn clients_behind_one_address_do_not_suffer_from_one_of_them() {
    let mut clocked = Clocked::new(30, 0);
    assert!(clocked.right(HOME, "good"));
    assert_eq!(checked(&clocked, HOME, "broken", 100), 30);
    // It has logged in from here, and has not failed since.
    for _ in 0..100 {
        assert!(clocked.right(HOME, "good"));
    }
    // That is no way around the limit: a guess at it ends it.
    assert!(clocked.wrong(HOME, "good"));
    assert!(!clocked.wrong(HOME, "good"));
    assert!(!clocked.right(HOME, "new"));
    clocked.pass(71);
    assert!(clocked.right(HOME, "new") && clocked.right(HOME, "good"));
}

#[test]
fn what_succeeds_or_is_given_up_costs_nothing() {
    let clocked = Clocked::new(3, 3);
    for _ in 0..1000 {
        assert!(clocked.right(HOME, "alice"));
        drop(clocked.admit(HOME, "alice").expect("admitted"));
    }
    // Nor do many at once.
    let many: Vec<_> = (0..100).map(|_| clocked.admit(HOME, "alice").expect("admitted")).collect();
    many.into_iter().for_each(|admitted| admitted.succeeded(clocked.1));
    assert_eq!((clocked.0.addresses.len(), clocked.0.accounts.len(), clocked.0.failed.len()), (0, 0, 0));
    // Those who have failed get no more by trying at once.
    assert!(clocked.wrong(GUESSER, "alice"));
    let at_once: Vec<_> = (0..10).filter_map(|_| clocked.admit(GUESSER, "alice").ok()).collect();
    assert_eq!(at_once.len(), 2);
    drop(at_once);
    assert_eq!(checked(&clocked, GUESSER, "alice", 10), 2);
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let clocked = Clocked::new(5, 0);
    let seen = (0..100).filter(|n| clocked.wrong(&format!("2001:db8::{n:x}:1"), "alice")).count();
    assert_eq!(seen, 5);
    assert!(clocked.wrong("2001:db8:0:1::1", "alice"));
    assert_eq!(checked(&clocked, GUESSER, "alice", 9) + checked(&clocked, &format!("::ffff:{GUESSER}"), "alice", 9), 5);
}

#[test]
fn strangers_do_not_grow_the_tables_nor_push_out_who_is_known() {
    let clocked = Clocked::new(300, 60);
    assert!(clocked.right(HOME, "alice"));
    for n in 0..2 * MAX_ENTRIES {
        let from = IpAddr::from([10, (n >> 16) as u8, (n >> 8) as u8, n as u8]);
        let admitted = clocked.0.admit(from, &format!("made-up-{n}"), clocked.1);
        admitted.expect("its first").failed(clocked.1);
    }
    for table in [clocked.0.addresses.len(), clocked.0.accounts.len(), clocked.0.failed.len()] {
        assert!(table <= MAX_ENTRIES, "{table}");
    }
    assert!(clocked.0.by(HOME.parse().unwrap(), "alice").glance(clocked.1).is_some());
}

#[test]
fn limits_can_be_off_and_change() {
    let clocked = Clocked::new(0, 0);
    assert_eq!(checked(&clocked, GUESSER, "alice", 1000), 1000);
    clocked.0.set_limits(2, 1);
    assert_eq!(checked(&clocked, GUESSER, "alice", 10), 1);
    assert_eq!(checked(&clocked, GUESSER, "bob", 10), 1);
    assert_eq!(checked(&clocked, GUESSER, "carol", 10), 0);
    clocked.0.set_limits(0, 0);
    assert_eq!(checked(&clocked, GUESSER, "alice", 10), 10);
}

#[test]
fn the_check_at_start_is_never_held_back() {
    let clocked = Clocked::new(1, 1);
    assert_eq!(checked(&clocked, "0.0.0.0", "alice", 10), 10);
    assert!(clocked.wrong(GUESSER, "alice"));
}

#[test]
fn nothing_of_a_name_is_kept() {
    let clocked = Clocked::new(1, 1);
    let other = Clocked::new(1, 1);
    let of = |clocked: &Clocked| clocked.0.by(HOME.parse().unwrap(), "alice").account;
    assert_eq!(of(&clocked), of(&clocked));
    assert_ne!(of(&clocked), of(&other));
}

#[test]
fn a_glance_is_for_who_has_logged_in_and_for_few_at_once() {
    let clocked = Clocked::new(300, 60);
    let by = |from: &str| clocked.0.by(from.parse().unwrap(), "alice");
    assert!(by(HOME).glance(clocked.1).is_none());
    assert!(clocked.right(HOME, "alice"));
    let glances: Vec<_> = (0..10).filter_map(|_| by(HOME).glance(clocked.1)).collect();
    assert_eq!(glances.len(), 4);
    assert!(by(GUESSER).glance(clocked.1).is_none());
    // They hold nobody back.
    assert!(clocked.right(HOME, "alice") && clocked.right(HOME, "bob"));
    drop(glances);
    assert_eq!((clocked.0.addresses.len(), clocked.0.accounts.len()), (0, 0));
    assert!(by(HOME).glance(clocked.1).is_some());
    by(HOME).distrust(clocked.1);
    assert!(by(HOME).glance(clocked.1).is_none());
}
