//! No bytes panic the gate, and none but the right password open it.

use proptest::prelude::*;

use super::*;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("runtime").block_on(future)
}

/// Frames of every kind that the gate knows, some of them mutilated, with passwords that are not Alice's.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let versions = -1..=6i16;
    let bytes = || proptest::collection::vec(any::<u8>(), 0..64);
    let token = prop_oneof![bytes(), "\0(alice|bob|eve)\0[a-z-]{0,12}".prop_map(String::into_bytes)];
    let mechanism = prop_oneof![Just("PLAIN".to_owned()), "[A-Z-]{0,8}"];
    let one = prop_oneof![
        bytes(),
        bytes().prop_map(frame),
        (any::<i16>(), versions.clone(), bytes()).prop_map(|(key, version, body)| hdr1(key, version, &body)),
        (0..95i16, versions.clone(), bytes()).prop_map(|(key, version, body)| hdr2(key, version, &body)),
        Just(hdr1(18, 0, &[])),
        Just(hdr2(18, 3, &[2, b'n', 2, b'1', 0])),
        (0..=1i16, mechanism).prop_map(|(version, name)| hs_v(version, &name)),
        (0..=2i16, token.clone()).prop_map(|(version, token)| sa_v(version, &token)),
        token.prop_map(frame),
    ];
    let mutilation = proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (proptest::collection::vec(one, 0..8), mutilation).prop_map(|(frames, mutilation)| {
        let mut bytes = frames.concat();
        if let (Some((index, value)), false) = (mutilation, bytes.is_empty()) {
            let position = index.index(bytes.len());
            bytes[position] = value;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nobody_gets_in_without_the_password(input in frames()) {
        prop_assume!(!input.windows(12).any(|window| window == b"alice-secret"));
        prop_assume!(!input.windows(10).any(|window| window == b"bob-secret"));
        let outcome = block_on(run(&input));
        let failure = outcome.result.expect_err("refused");
        prop_assert!(outcome.after <= DEADLINE);
        prop_assert_eq!(failure.bytes_out, outcome.sent.len() as u64);
    }

    #[test]
    fn random_bytes_are_refused(input in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let outcome = block_on(run(&input));
        prop_assert!(outcome.result.is_err());
    }

    #[test]
    fn how_the_bytes_are_cut_makes_no_difference(input in frames(), right: bool, cut in 1..40usize) {
        let input = if right { [input, hs("PLAIN"), sa(ALICE)].concat() } else { input };
        let (whole, pieces) = block_on(async {
            let rules = rules(plain_only().await);
            let whole = run_with(&rules, &input).await;
            let rules = GateRules { deadline: Instant::now() + DEADLINE, ..rules };
            let (mut client, mut server) = tokio::io::duplex(8 << 20);
            let (versions, peer) = (api_versions(), peer());
            let feed = async {
                for piece in input.chunks(cut) {
                    if client.write_all(piece).await.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            };
            let gate = authenticate(&mut server, &rules, &versions, &peer);
            let (result, ()) = tokio::join!(gate, feed);
            drop(server);
            (whole, (result, read_all(&mut client).await))
        });
        prop_assert_eq!(&whole.sent, &pieces.1);
        let reason = |result: &Result<Authenticated, GateFailure>| result.as_ref().err().map(|failure| failure.reason);
        prop_assert_eq!(reason(&whole.result), reason(&pieces.0));
    }
}
