//! What a server has acknowledged of SCRAM credentials, and the judgement whether it knows exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use kafka_protocol::messages::alter_user_scram_credentials_request::AlterUserScramCredentialsRequest;

use crate::random::Random;
use crate::scram::Hash;
use crate::scram_client::{Client, Secret};
use crate::wire::scram::Login;
use crate::wire::{Conn, requests};
use crate::{Result, check, check_eq};

/// User and mechanism.
pub type Key = (String, i8);

/// A credential as an administrator sends it. Its SaltedPassword is drawn, not made of a password: a server can't tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub iterations: u32,
    pub salt: Vec<u8>,
    pub salted: Vec<u8>,
}

/// The key has this credential from now on, or none.
pub type Change = (Key, Option<Credential>);

/// The credentials of one store, or of some of its users.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    acknowledged: BTreeMap<Key, Credential>,
    /// Of each key that had another credential before: the last one.
    outdated: BTreeMap<Key, Credential>,
    /// Requests without an answer: each may have been carried out, as a whole, or not.
    pending: Vec<Vec<Change>>,
    /// Changes that were acknowledged.
    pub changes: u64,
}

/// What a server was found to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub logins: usize,
    /// Requests without an answer that had been carried out, and that had not.
    pub carried_out: usize,
    pub dropped: usize,
}

impl Ledger {
    /// Between one and three changes of these users, a third of them deletions.
    pub fn draw(&self, random: &mut Random, users: &[String]) -> Vec<Change> {
        let mut keys: BTreeSet<Key> = BTreeSet::new();
        for _ in 0..=random.below(3) {
            keys.insert((random.pick(users).clone(), random.pick(&Hash::BOTH).number()));
        }
        keys.into_iter()
            .map(|key| {
                let old = self.acknowledged.get(&key);
                let deletes = old.is_some() && random.below(3) == 0;
                let new = (!deletes).then(|| Credential::draw(random, old));
                (key, new)
            })
            .collect()
    }

    /// Sends the changes and takes down the answer, or that there was none.
    pub fn send(&mut self, admin: &mut Conn, changes: Vec<Change>) -> Result<Answer> {
        self.pending.push(changes);
        let changes = self.pending.last().map_or(&[][..], Vec::as_slice);
        let Ok(rows) = admin.alter_scram(&request(changes)) else { return Ok(Answer::None) };
        let users: BTreeSet<&str> = changes.iter().map(|((user, _), _)| user.as_str()).collect();
        check_eq!(rows.len(), users.len(), "rows of an answer: {rows:?}");
        let codes: BTreeSet<i16> = rows.iter().map(|(_, code, _)| *code).collect();
        check_eq!(codes.len(), 1, "different codes in one answer: {rows:?}");
        match codes.first() {
            Some(0) => {
                self.settle(true);
                Ok(Answer::Done)
            }
            _ => Ok(Answer::Refused(rows[0].1, rows[0].2.clone())),
        }
    }

    /// Takes down a request whose answer is not known.
    pub fn leave_open(&mut self, changes: Vec<Change>) {
        self.pending.push(changes);
    }

    /// What has become of the last request.
    pub fn settle(&mut self, carried_out: bool) {
        let Some(changes) = self.pending.pop().filter(|_| carried_out) else { return };
        self.changes += 1;
        for (key, new) in changes {
            let old = match new {
                Some(new) => self.acknowledged.insert(key.clone(), new),
                None => self.acknowledged.remove(&key),
            };
            if let Some(old) = old {
                self.outdated.insert(key, old);
            }
        }
    }

    /// How many credentials there are.
    pub fn len(&self) -> usize {
        self.acknowledged.len()
    }

    pub fn is_empty(&self) -> bool {
        self.acknowledged.is_empty()
    }

    /// A credential that is there.
    pub fn any(&self, random: &mut Random) -> Option<(&Key, &Credential)> {
        let n = self.len();
        if n == 0 { None } else { self.acknowledged.iter().nth(random.below(n)) }
    }

    /// What was acknowledged of a key.
    pub fn credential(&self, key: &Key) -> Option<&Credential> {
        self.acknowledged.get(key)
    }

    /// Takes up another ledger, of other users.
    pub fn merge(&mut self, other: Ledger) {
        self.acknowledged.extend(other.acknowledged);
        self.outdated.extend(other.outdated);
        self.pending.extend(other.pending);
        self.changes += other.changes;
    }

    /// Asks the server for all that it has been told of, settles what was open, and logs in, at most `logins` times beside those with
    /// what was open. An error names each difference.
    pub fn judge(&mut self, at: SocketAddr, admin: &mut Conn, random: &mut Random, logins: usize) -> Result<Verdict> {
        let told = self.told(admin)?;
        let (mut wrong, mut verdict) = (Vec::new(), Verdict::default());
        let mut looked_at = BTreeSet::new();
        let mut open = std::mem::take(&mut self.pending);
        while let Some(changes) = open.pop() {
            let is =
                |key: &Key, credential: Option<&Credential>| told.get(key).copied() == credential.map(|c| c.iterations);
            let new = changes.iter().all(|(key, new)| is(key, new.as_ref()));
            let old = changes.iter().all(|(key, _)| is(key, self.acknowledged.get(key)));
            if !new && !old {
                let seen: Vec<_> = changes.iter().map(|(key, _)| (key, told.get(key))).collect();
                wrong.push(format!("torn: of one request {changes:?} it knows {seen:?}"));
            }
            looked_at.extend(changes.iter().map(|(key, _)| key.clone()));
            verdict.carried_out += usize::from(new);
            verdict.dropped += usize::from(!new);
            self.pending.push(changes);
            self.settle(new);
            self.changes -= u64::from(new);
        }
        for key in self.keys() {
            let want = self.acknowledged.get(&key).map(|c| c.iterations);
            let seen = told.get(&key).copied();
            if want != seen {
                wrong.push(format!("{key:?}: {seen:?} iterations are told of, {want:?} were acknowledged"));
            }
        }
        check!(wrong.is_empty(), "{}", wrong.join("\n"));
        let mut others: Vec<Key> = self.keys().into_iter().filter(|key| !looked_at.contains(key)).collect();
        while others.len() > logins {
            others.swap_remove(random.below(others.len()));
        }
        for key in looked_at.into_iter().chain(others) {
            verdict.logins += self.log_in(at, &key)?;
        }
        Ok(verdict)
    }

    /// Everything that all users together are told to have, whether this ledger knows of it or not.
    pub fn judge_all(&self, admin: &mut Conn) -> Result<()> {
        let told = credentials(admin, None)?;
        let want: BTreeMap<&Key, u32> = self.acknowledged.iter().map(|(key, c)| (key, c.iterations)).collect();
        let strange: Vec<_> = told.iter().filter(|(key, i)| want.get(key) != Some(i)).take(5).collect();
        let missing: Vec<_> = want.keys().filter(|key| !told.contains_key(**key)).take(5).collect();
        check!(
            strange.is_empty() && missing.is_empty() && told.len() == want.len(),
            "{} credentials, {} were acknowledged; strange are {strange:?}, missing {missing:?}",
            told.len(),
            want.len()
        );
        Ok(())
    }

    /// What was acknowledged gets in with exactly its salt and iterations, and what it replaced does not. Gives how many times it
    /// was tried.
    pub fn log_in(&self, at: SocketAddr, key: &Key) -> Result<usize> {
        let (user, number) = key;
        let hash = *Hash::BOTH.iter().find(|h| h.number() == *number).ok_or("no such mechanism")?;
        let client = |c: &Credential| Client::new(hash, user, Secret::Salted(c.salted.clone()));
        let current = self.acknowledged.get(key);
        if let Some(credential) = current {
            let (login, challenge) = Conn::open(at)?.try_scram(&client(credential))?;
            check_eq!(login, Login::Accepted, "login with what was acknowledged of {key:?}");
            let challenge = challenge.ok_or("a login without a challenge")?;
            let seen = (challenge.iterations, challenge.salt);
            check_eq!(seen, (credential.iterations, credential.salt.clone()), "iterations and salt of {key:?}");
        }
        let outdated = self.outdated.get(key);
        if let Some(credential) = outdated {
            let login = Conn::open(at)?.scram(&client(credential))?;
            check!(
                matches!(login, Login::Refused { code: 58, .. }),
                "the credential of {key:?} from before: {login:?}"
            );
        }
        Ok(usize::from(current.is_some()) + usize::from(outdated.is_some()))
    }

    /// Every key that is or was in it.
    pub fn keys(&self) -> BTreeSet<Key> {
        self.acknowledged.keys().chain(self.outdated.keys()).cloned().collect()
    }

    fn told(&self, admin: &mut Conn) -> Result<BTreeMap<Key, u32>> {
        let open = self.pending.iter().flatten().map(|(key, _)| key.0.clone());
        let users: BTreeSet<String> = self.keys().into_iter().map(|(user, _)| user).chain(open).collect();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        if users.is_empty() { Ok(BTreeMap::new()) } else { credentials(admin, Some(&users)) }
    }
}

/// How a request for changes was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// Code and message; whether the change was made has to be settled.
    Refused(i16, String),
    /// The connection broke; it stays open what has become of the change.
    None,
}

impl Credential {
    /// Another than `old`, also to who only sees its iteration count.
    pub fn draw(random: &mut Random, old: Option<&Credential>) -> Credential {
        loop {
            let iterations = 4096 + random.below(12_000) as u32;
            if old.is_none_or(|old| old.iterations != iterations) {
                let len = 8 + random.below(20);
                return Credential { iterations, salt: random.bytes(len), salted: random.bytes(32) };
            }
        }
    }
}

fn request(changes: &[Change]) -> AlterUserScramCredentialsRequest {
    let (mut deletions, mut upsertions) = (Vec::new(), Vec::new());
    for ((user, hash), new) in changes {
        match new {
            None => deletions.push(requests::deletion(user, *hash)),
            Some(c) => upsertions.push(requests::upsertion(user, *hash, c.iterations as i32, &c.salt, &c.salted)),
        }
    }
    requests::alter_scram(deletions, upsertions)
}

/// Iterations by key.
fn credentials(admin: &mut Conn, users: Option<&[&str]>) -> Result<BTreeMap<Key, u32>> {
    const NO_SUCH_USER: i16 = 91;
    let mut told = BTreeMap::new();
    for row in admin.describe_scram(users)? {
        check!([0, NO_SUCH_USER].contains(&row.error_code), "describe {}: {:?}", row.user, row.error_message);
        for info in row.credential_infos {
            told.insert((row.user.to_string(), info.mechanism), info.iterations as u32);
        }
    }
    Ok(told)
}
