//! The client that the fault trials and the bench log in with, at a real broker and at doorkeeper.

use libtest_mimic::Trial;
use proto_tests::scram::{Hash, refusal};
use proto_tests::scram_client::Client;
use proto_tests::wire::scram::Login;
use proto_tests::{Result, check_eq};

use crate::scram::{Target, both};

pub fn trials() -> Vec<Trial> {
    both("client_that_derives_once", logs_in)
}

fn logs_in(target: Target) -> Result<()> {
    for hash in Hash::BOTH {
        let user = format!("often, of = {}", hash.mechanism());
        target.give(&user, hash, "pencil")?;
        let client = Client::with_password(hash, &user, "pencil");
        for _ in 0..3 {
            check_eq!(target.open()?.scram(&client)?, Login::Accepted, "login of {user:?}");
        }
        let wrong = Client::with_password(hash, &user, "pencil ");
        let seen = target.open()?.scram(&wrong)?;
        check_eq!(seen, Login::Refused { round: 2, code: 58, message: refusal(hash) }, "a wrong password");
    }
    Ok(())
}
