//! Edits: what they see, that they are made as a whole, and that they are there afterwards.

use super::*;

#[test]
fn what_was_set_is_there_after_closing_and_opening_again() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    let key = store.unknown_user_key().clone();
    assert_eq!(key.expose().len(), 32);
    assert_eq!(store.status(), StoreStatus { revision: 1, records: 0, writes_failed: 0, is_failing: false });
    let sha512 = credential(ScramMechanism::Sha512, 5000);
    let both =
        Change::SetScram { user: "älice".into(), mechanism: ScramMechanism::Sha512, credential: sha512.clone() };
    edit(&store, vec![set("älice", 4096), both, set("bob", 4097)]).unwrap();
    edit(&store, vec![remove("bob"), remove("nobody"), set("a\0b", 4098), set("a", 4099), set("a\x01", 4100)]).unwrap();
    let expected = vec![
        ("a".to_owned(), vec![(ScramMechanism::Sha256, 4099)]),
        ("a\0b".to_owned(), vec![(ScramMechanism::Sha256, 4098)]),
        ("a\x01".to_owned(), vec![(ScramMechanism::Sha256, 4100)]),
        ("älice".to_owned(), vec![(ScramMechanism::Sha256, 4096), (ScramMechanism::Sha512, 5000)]),
    ];
    for _ in 0..2 {
        let store = {
            store.close_blocking();
            assert!(matches!(wait(store.scram("a", ScramMechanism::Sha256)), Err(StoreError::Failed(_))));
            assert!(matches!(edit(&store, vec![remove("a")]), Err(StoreError::Failed(_))));
            Store::open(&scratch.store()).unwrap()
        };
        assert_eq!(users(&store), expected);
        assert_eq!(store.status(), StoreStatus { revision: 3, records: 5, writes_failed: 0, is_failing: false });
        let found = wait(store.scram("älice", ScramMechanism::Sha512)).unwrap().unwrap();
        assert_eq!(found.salt(), sha512.salt());
        assert!(found.stored_key().matches(sha512.stored_key().expose()));
        assert!(found.server_key().matches(sha512.server_key().expose()));
        assert_eq!(wait(store.scram_of("älice")).unwrap(), expected[3].1);
        assert_eq!(wait(store.scram_of("bob")).unwrap(), []);
        assert!(store.unknown_user_key().matches(key.expose()));
        store.close_blocking();
    }
}

#[test]
fn an_edit_sees_those_before_it_and_is_made_as_a_whole_or_not_at_all() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    edit(&store, vec![set("alice", 4096)]).unwrap();
    let seen = store.edit_blocking(|view| {
        let before = view.scram("alice", ScramMechanism::Sha256)?.map(|found| found.iterations());
        Ok((vec![remove("alice"), set("bob", 4097), set("bob", 4098)], before))
    });
    assert_eq!(seen, Ok(Some(4096)));
    assert_eq!((iterations(&store, "alice"), iterations(&store, "bob")), (None, Some(4098)));
    let before = store.status();
    let refused: Result<(), _> = store.edit_blocking(|_| Err(StoreError::Full));
    assert_eq!(refused, Err(StoreError::Full));
    let panicked: Result<(), _> = store.edit_blocking(|_| panic!("a fault in an edit"));
    assert!(matches!(panicked, Err(StoreError::Failed(_))));
    // One that wants nothing writes nothing.
    assert_eq!(store.edit_blocking(|_| Ok((vec![remove("nobody"), set("bob", 4098)], 7))), Ok(7));
    assert_eq!(store.status(), StoreStatus { writes_failed: 2, ..before });
    edit(&store, vec![set("carol", 4096)]).unwrap();
    assert_eq!(store.status().records, 2);
}

#[test]
fn edits_that_wait_are_written_together() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.store()).unwrap();
    let (go, held) = std::sync::mpsc::channel::<()>();
    wait(async {
        let (entered, inside) = oneshot::channel();
        let first = tokio::spawn({
            let store = store.clone();
            async move {
                let hold = move |_: &dyn View| {
                    let _ = entered.send(());
                    let _ = held.recv();
                    Ok((vec![set("counter", 4096)], ()))
                };
                store.edit(hold).await
            }
        });
        inside.await.unwrap();
        let increment = |view: &dyn View| {
            let count = view.scram("counter", ScramMechanism::Sha256)?.map_or(0, |found| found.iterations());
            Ok((vec![set("counter", count + 1)], count + 1))
        };
        let others: Vec<_> = (0..100)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.edit(increment).await })
            })
            .collect();
        while store.requests.capacity() > MAX_WAITING - others.len() {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        let mut counts = Vec::new();
        for other in others {
            counts.push(other.await.unwrap().unwrap());
        }
        counts.sort_unstable();
        assert_eq!(counts, (4097..=4196).collect::<Vec<_>>());
    });
    assert_eq!(iterations(&store, "counter"), Some(4196));
    assert_eq!(store.status().revision, 2, "one write for all");
}

/// Times are shown and not compared: other programs run as well.
#[test]
fn a_hundred_thousand_users_are_loaded_read_and_opened() {
    const USERS: u32 = 100_000;
    let scratch = Scratch::new();
    let started = std::cell::Cell::new(std::time::Instant::now());
    let took = |what: &str| println!("{what}: {:?}", started.replace(std::time::Instant::now()).elapsed());
    let store = Store::open(&scratch.store()).unwrap();
    let sha512 = |n: u32| Change::SetScram {
        user: format!("user-{n}"),
        mechanism: ScramMechanism::Sha512,
        credential: credential(ScramMechanism::Sha512, 4096 + n),
    };
    took("made");
    for first in (0..USERS).step_by(1000) {
        let both = |n| [set(&format!("user-{n}"), 4096 + n), sha512(n)];
        edit(&store, (first..first + 1000).flat_map(both).collect()).unwrap();
    }
    took("loaded");
    assert_eq!(store.status().records, u64::from(2 * USERS));
    assert_eq!(users(&store).len(), USERS as usize);
    took("listed");
    wait(async {
        for n in (0..USERS).step_by(10) {
            let found = store.scram(&format!("user-{n}"), ScramMechanism::Sha256).await.unwrap();
            assert_eq!(found.map(|found| found.iterations()), Some(4096 + n));
        }
    });
    took("10,000 users read one by one");
    wait(async {
        for n in (0..USERS).step_by(10) {
            assert!(store.scram(&format!("user-{n}x"), ScramMechanism::Sha256).await.unwrap().is_none());
        }
    });
    took("10,000 unknown users looked for");
    for n in 0..100 {
        edit(&store, vec![set("user-7", 5000 + n)]).unwrap();
    }
    took("100 edits, one after another");
    store.close_blocking();
    let bytes: u64 = files_in(&scratch.store()).iter().map(|path| path.metadata().unwrap().len()).sum();
    took("closed");
    let store = Store::open(&scratch.store()).unwrap();
    took(&format!("opened, with {bytes} bytes of files"));
    store.close_blocking();
    assert_eq!(Store::verify(&scratch.store()).unwrap().records, u64::from(2 * USERS));
    took("verified");
    let lines = Child::start("memory", &scratch.store()).finish();
    let figure = |what: &str| lines.iter().find_map(|line| line.strip_prefix(what)?.trim().parse::<u64>().ok());
    let (opened, read) = (figure("opened").unwrap(), figure("read").unwrap());
    println!("memory: {opened} bytes when opened, {read} after a thousand reads");
    assert!(opened.max(read) < 20 << 20, "{opened} and {read} bytes of memory");
}
