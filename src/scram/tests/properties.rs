use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

const SECOND: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=c2FsdA==,i=4096";

/// A linear congruential generator: the mutations are the same in each run.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

/// A nonce that differs from the exchange's by a few characters that were changed, left out, put in or doubled.
fn mutated(sequence: &mut Sequence, nonce: &str) -> String {
    let mut bytes = nonce.as_bytes().to_vec();
    for _ in 0..=sequence.below(3) {
        let at = sequence.below(bytes.len());
        let byte = b'!' + sequence.below(94) as u8;
        match sequence.below(5) {
            0 => bytes[at] = byte,
            1 if bytes.len() > 1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, byte),
            3 => bytes.truncate(at + 1),
            _ => {
                let copy = bytes[..at].to_vec();
                bytes.splice(0..0, copy);
            }
        }
    }
    bytes.iter().filter(|byte| **byte != b',').map(|byte| *byte as char).collect()
}

/// SEC-19. The check stands before the proof, so whatever passes it fails by the proof, which is wrong.
#[test]
fn of_100_000_mutated_nonces_none_is_accepted() {
    let mechanism = ScramMechanism::Sha256;
    let exact = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    let accepted = [exact.clone(), format!("{CLIENT_NONCE}{exact}")];
    let proof = message::to_base64(&[0; 32]);
    let kept = credential(mechanism);
    let verify = |nonce: &str| {
        let open = server::start(mechanism, format!("n,,n=u,r={CLIENT_NONCE}").as_bytes()).unwrap();
        let (_, waits) = open.challenge(kept.clone(), &super::nonce(SERVER_NONCE));
        waits.verify(format!("c=biws,r={nonce},p={proof}").as_bytes())
    };
    for nonce in &accepted {
        assert_eq!(verify(nonce), Err(server::ProofError::Proof));
    }
    let (mut sequence, mut tried) = (Sequence(1), 0);
    while tried < 100_000 {
        let base = &accepted[sequence.below(2)];
        let nonce = mutated(&mut sequence, base);
        if accepted.contains(&nonce) {
            continue;
        }
        tried += 1;
        assert_eq!(verify(&nonce), Err(server::ProofError::Nonce), "{nonce}");
    }
}

static KEYS: LazyLock<[client::ClientKeys; 2]> = LazyLock::new(|| ScramMechanism::ALL.map(keys));

/// Bytes of which a good part gets past the first checks.
fn near(message: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(b"n,,".to_vec()),
        Just(b"n=".to_vec()),
        Just(b",r=".to_vec()),
        Just(b",p=".to_vec()),
        Just(b"c=biws".to_vec()),
        Just(b"=2C".to_vec()),
        Just(b",ext=v".to_vec()),
        Just("é".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
        Just(message.as_bytes().to_vec()),
        (0..message.len()).prop_map(move |at| message.as_bytes()[..at].to_vec()),
    ];
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Without a panic: what parses is followed to its end.
    #[test]
    fn no_bytes_panic_and_none_are_a_login(
        first in near("n,,n=u,r=rOprNGfwEbeRWgbNEkqO"),
        last in near("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        second in near(SECOND),
        end in near("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ) {
        for mechanism in ScramMechanism::ALL {
            let unknown = UnknownUsers::new(crate::secret::Secret::new("key"), 4096).unwrap();
            let kept = |user: &str| unknown.credential(mechanism, user);
            if let Ok(open) = server::start(mechanism, &first) {
                prop_assert!(!open.user().is_empty() && open.user().len() <= MAX_USER_LEN);
                let kept = kept(open.user());
                let (challenge, waits) = open.challenge(kept, &nonce(SERVER_NONCE));
                prop_assert!(challenge.len() <= MAX_SERVER_MESSAGE_LEN);
                prop_assert!(waits.verify(&last).is_err());
            }
            let own = server::start(mechanism, b"n,,n=u,r=rOprNGfwEbeRWgbNEkqO").unwrap();
            prop_assert!(own.challenge(kept("u"), &nonce(SERVER_NONCE)).1.verify(&last).is_err());
            let (_, client) = client::start(mechanism, "u", &nonce(CLIENT_NONCE)).unwrap();
            let _ = client.read(&second);
            let (_, client) = client::start(mechanism, "u", &nonce(CLIENT_NONCE)).unwrap();
            let (_, client) = client.read(SECOND.as_bytes()).unwrap().answer(&KEYS[mechanism as usize]);
            prop_assert!(client.verify(&end).is_err());
        }
    }
}

proptest! {
    // Each derives keys twice.
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever is a name logs in under it.
    #[test]
    fn every_name_survives_its_way(user in "[^\0]{1,60}", password in prop::collection::vec(any::<u8>(), 0..40)) {
        let mechanism = ScramMechanism::Sha256;
        let (client_first, client) = client::start(mechanism, &user, &nonce(CLIENT_NONCE)).unwrap();
        let open = server::start(mechanism, client_first.as_bytes()).unwrap();
        prop_assert_eq!(open.user(), &user);
        let kept = ScramCredential::from_password(mechanism, &password, b"salt", 4096).unwrap();
        let (server_first, waits) = open.challenge(kept, &nonce(SERVER_NONCE));
        let client = client.read(server_first.as_bytes()).unwrap();
        let keys = client::ClientKeys::derive(mechanism, &password, client.salt(), client.iterations());
        let (client_final, client) = client.answer(&keys);
        let server_final = waits.verify(client_final.as_bytes());
        prop_assert!(server_final.is_ok_and(|last| client.verify(last.as_bytes()).is_ok()));
    }
}
