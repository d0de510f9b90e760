//! Each state, each API key, odd versions.

use super::*;

/// The frame of an API that is not one of the three, with a header of the right version.
fn request(key: i16, version: i16) -> Vec<u8> {
    match crate::wire::header::is_flexible(key, version) {
        Some(true) => hdr2(key, version, &[]),
        _ => hdr1(key, version, &[]),
    }
}

fn other_known_keys() -> impl Iterator<Item = i16> {
    (0..=94).filter(|key| !matches!(key, 4..=7 | 17 | 18 | 36))
}

const UNKNOWN_KEYS: [i16; 10] = [-1, i16::MIN, 4, 5, 6, 7, 95, 200, i16::MAX, 0x6000];
const ODD_VERSIONS: [i16; 7] = [i16::MIN, -1, 0, 1, 13, 99, i16::MAX];

#[tokio::test(start_paused = true)]
async fn initial_closes_other_apis_at_once() {
    // H-040, H-042 to H-045.
    for version in ODD_VERSIONS {
        for key in other_known_keys().chain([36]) {
            let outcome = run(request(key, version)).await;
            outcome.assert_refused(GateFailureReason::UnexpectedRequest, &[], AT_ONCE);
            assert_eq!(outcome.result.expect_err("refused").api_key, Some(key));
        }
        for key in UNKNOWN_KEYS {
            run(request(key, version)).await.assert_refused(GateFailureReason::MalformedRequest, &[], AT_ONCE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_refused_api_versions_other_apis_are_closed() {
    let refused = hdr2(18, 99, &[]);
    let answer = [0, 0, 0, 16, 0, 0, 0, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
    for key in other_known_keys().chain([36]) {
        let outcome = run([refused.clone(), request(key, 1)].concat()).await;
        outcome.assert_refused(GateFailureReason::UnexpectedRequest, &answer, AT_ONCE);
    }
    for key in UNKNOWN_KEYS {
        // H-041.
        let outcome = run([refused.clone(), request(key, 1)].concat()).await;
        outcome.assert_refused(GateFailureReason::MalformedRequest, &answer, AT_ONCE);
    }
}

#[tokio::test(start_paused = true)]
async fn handshake_only_takes_a_handshake_only() {
    let good = hdr1(18, 0, &[]);
    let answer = api_versions().encode_response(0, 1);
    for key in other_known_keys().chain([36]) {
        let outcome = run([good.clone(), request(key, 1)].concat()).await;
        outcome.assert_refused(GateFailureReason::UnexpectedRequest, &answer, AT_ONCE);
    }
    for key in UNKNOWN_KEYS {
        let outcome = run([good.clone(), request(key, 1)].concat()).await;
        outcome.assert_refused(GateFailureReason::MalformedRequest, &answer, AT_ONCE);
    }
    // H-051; whatever its version.
    for version in [-1, 0, 3, 99] {
        let second = if version >= 3 { hdr2(18, version, &[2, b'n', 2, b'1', 0]) } else { hdr1(18, version, &[]) };
        let outcome = run([good.clone(), second].concat()).await;
        outcome.assert_refused(GateFailureReason::UnexpectedRequest, &answer, AT_ONCE);
    }
    run([good, hs("PLAIN"), sa(ALICE)].concat()).await.assert_user("alice", &[&answer, HS_OK, &sa_ok(1)].concat());
}

#[tokio::test(start_paused = true)]
async fn authenticate_answers_34_for_three_apis_and_reads_no_other() {
    let after_hs = |request: Vec<u8>| [hs("PLAIN"), request].concat();
    let answered = |reply: &[u8]| [HS_OK, reply].concat();
    // H-053: v0 to v4, and what is newer in the schema of v0.
    for version in [-1, 0, 1, 2, 3, 4, 5, 99] {
        let request = if version >= 3 { hdr2(18, version, &[2, b'n', 2, b'1', 0]) } else { hdr1(18, version, &[]) };
        let body: &[u8] = match version {
            1 | 2 => &[0, 34, 0, 0, 0, 0, 0, 0, 0, 0],
            3 | 4 => &[0, 34, 1, 0, 0, 0, 0, 0],
            _ => &[0, 34, 0, 0, 0, 0],
        };
        let reply = frame([&[0, 0, 0, 1], body].concat());
        run(after_hs(request)).await.assert_refused(GateFailureReason::UnexpectedRequest, &answered(&reply), DELAY);
    }
    run(after_hs(hdr2(18, 3, &[0, 0, 0]))).await.assert_refused(GateFailureReason::MalformedRequest, HS_OK, AT_ONCE);
    // H-054.
    for version in 0..=13 {
        let reply = crate::wire::metadata_error::encode(version, 1, crate::wire::ErrorCode(34)).expect("an answer");
        let outcome = run(after_hs(request(3, version))).await;
        outcome.assert_refused(GateFailureReason::UnexpectedRequest, &answered(&reply), DELAY);
    }
    for version in [-1, 14, i16::MAX] {
        let outcome = run(after_hs(request(3, version))).await;
        outcome.assert_refused(GateFailureReason::MalformedRequest, HS_OK, AT_ONCE);
    }
    // H-055.
    for version in 0..=1 {
        let outcome = run(after_hs(hs_v(version, "PLAIN"))).await;
        outcome.assert_refused(GateFailureReason::UnexpectedRequest, &answered(HS_34), DELAY);
    }
    for version in [-1, 2] {
        let outcome = run(after_hs(hs_v(version, "PLAIN"))).await;
        outcome.assert_refused(GateFailureReason::MalformedRequest, HS_OK, AT_ONCE);
    }
    // H-055b: an array that promises 2^31 - 1 entries is not looked at.
    for key in other_known_keys().filter(|key| *key != 3) {
        let bomb = [request(key, 1), vec![0x7f, 0xff, 0xff, 0xff]].concat();
        let outcome = run(after_hs(bomb)).await;
        outcome.assert_refused(GateFailureReason::UnexpectedRequest, HS_OK, DELAY);
    }
    for key in UNKNOWN_KEYS {
        let outcome = run(after_hs(request(key, 1))).await;
        outcome.assert_refused(GateFailureReason::MalformedRequest, HS_OK, AT_ONCE);
    }
}

#[tokio::test(start_paused = true)]
async fn bad_versions_of_handshake_and_authenticate_close_at_once() {
    // H-056, H-067.
    for version in [i16::MIN, -1, 2, 99, i16::MAX] {
        let outcome = run(hs_v(version, "PLAIN")).await;
        outcome.assert_refused(GateFailureReason::MalformedRequest, &[], AT_ONCE);
    }
    for version in [i16::MIN, -1, 3, 99, i16::MAX] {
        let outcome = run([hs("PLAIN"), sa_v(version, ALICE)].concat()).await;
        outcome.assert_refused(GateFailureReason::MalformedRequest, HS_OK, AT_ONCE);
    }
}
