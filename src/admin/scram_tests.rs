use std::path::Path;

use super::*;

fn upsert(user: &str, mechanism: i8, iterations: i32) -> Alteration {
    let salted_password = Secret::new([7; 32]);
    Alteration::Upsert { user: user.into(), mechanism, iterations, salt: b"salt".to_vec(), salted_password }
}

fn delete(user: &str, mechanism: i8) -> Alteration {
    Alteration::Delete { user: user.into(), mechanism }
}

/// A store of the test's own, deleted with the value.
struct Fixture(Store, std::path::PathBuf);

impl Fixture {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("doorkeeper-admin-{}-{name}", std::process::id()));
        let store = Store::open(Path::new(&directory)).unwrap();
        Self(store, directory)
    }

    /// Error codes and texts of the users, in order; 0 is none.
    async fn alter(&self, alterations: Vec<Alteration>) -> Vec<(String, i16, String)> {
        let tell = |(user, outcome): Outcome| match outcome {
            Ok(()) => (user, 0, String::new()),
            Err(Refusal { error, message }) => (user, error.0, message),
        };
        alter(&self.0, alterations).await.into_iter().map(tell).collect()
    }

    async fn users(&self) -> Vec<(String, Vec<(ScramMechanism, u32)>)> {
        self.0.scram_users().await.unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

#[tokio::test]
async fn each_fault_has_kafkas_code_and_text_and_the_others_are_changed() {
    let fixture = Fixture::new("faults");
    assert_eq!(fixture.alter(vec![upsert("old", 1, 4096)]).await, [("old".into(), 0, String::new())]);
    let rows = [
        (vec![upsert("", 1, 4096)], 93, "Username must not be empty"),
        (vec![upsert("u", 0, 4096)], 33, "Unknown SCRAM mechanism"),
        (vec![upsert("u", 127, 4096)], 33, "Unknown SCRAM mechanism"),
        (vec![upsert("u", 1, 4095)], 93, "Too few iterations"),
        (vec![upsert("u", 1, -1)], 93, "Too few iterations"),
        (vec![upsert("u", 1, 16385)], 93, "Too many iterations"),
        (vec![delete("u", 1)], 91, "Attempt to delete a user credential that does not exist"),
        (vec![delete("old", 2)], 91, "Attempt to delete a user credential that does not exist"),
        (vec![delete("", 1)], 93, "Username must not be empty"),
        (vec![delete("old", 3)], 33, "Unknown SCRAM mechanism"),
        (vec![upsert("u", 1, 4096); 2], 92, "A user credential cannot be altered twice in the same request"),
        (
            vec![delete("old", 1), upsert("old", 1, 4096)],
            92,
            "A user credential cannot be altered twice in the same request",
        ),
        // The first fault of a user is the one that is told.
        (vec![upsert("u", 1, 1), upsert("u", 1, 4096)], 93, "Too few iterations"),
        (vec![delete("u", 1), upsert("u", 2, 99_999)], 91, "Attempt to delete a user credential that does not exist"),
        (vec![upsert("u\0", 1, 4096)], 93, "Username must not be longer than 1024 bytes or contain NUL"),
    ];
    for (n, (mut alterations, code, text)) in rows.into_iter().enumerate() {
        let user = alterations[0].user().to_owned();
        let good = format!("good-{n}");
        alterations.push(upsert(&good, 2, 4096));
        let expected = [(user, code, text.to_owned()), (good, 0, String::new())];
        assert_eq!(fixture.alter(alterations).await, expected);
    }
    let users = fixture.users().await;
    assert_eq!(users.len(), 16);
    assert!(users.iter().all(|(user, of)| of.len() == 1 && (user == "old" || user.starts_with("good-"))));
}

#[tokio::test]
async fn both_mechanisms_of_a_user_in_one_request_are_changed_together_or_not_at_all() {
    use ScramMechanism::{Sha256, Sha512};
    let fixture = Fixture::new("both");
    assert_eq!(fixture.alter(vec![upsert("a", 1, 8192), upsert("a", 2, 4096)]).await, [("a".into(), 0, String::new())]);
    assert_eq!(fixture.users().await, [("a".to_owned(), vec![(Sha256, 8192), (Sha512, 4096)])]);
    let answer = fixture.alter(vec![delete("a", 1), upsert("a", 2, 1)]).await;
    assert_eq!(answer, [("a".into(), 93, "Too few iterations".into())]);
    assert_eq!(fixture.users().await[0].1.len(), 2);
    assert_eq!(fixture.alter(vec![delete("a", 1), upsert("a", 2, 16384)]).await[0].1, 0);
    assert_eq!(fixture.users().await, [("a".to_owned(), vec![(Sha512, 16384)])]);
}

#[tokio::test]
async fn descriptions_have_no_keys_and_name_what_is_wrong() {
    let fixture = Fixture::new("describe");
    fixture.alter(vec![upsert("a", 1, 8192), upsert("b", 2, 4096)]).await;
    let described = describe(Some(&fixture.0), ["a", "x", "b", "b"].map(str::to_owned).to_vec()).await.unwrap();
    assert_eq!(described[0], ("a".to_owned(), Ok(vec![(ScramMechanism::Sha256, 8192)])));
    let error = |n: usize| described[n].1.clone().map_err(|refusal| (refusal.error.0, refusal.message)).unwrap_err();
    assert_eq!(error(1), (91, "Attempt to describe a user credential that does not exist: x".to_owned()));
    let twice = "Cannot describe SCRAM credentials for the same user twice in a single request: b";
    assert_eq!(error(2), (92, twice.to_owned()));
    assert_eq!(described.len(), 3);
    assert_eq!(describe(Some(&fixture.0), Vec::new()).await.unwrap().len(), 2);
    assert_eq!(describe(None, Vec::new()).await, Ok(Vec::new()));
}
