//! The rounds of token logins: what one costs beside Kafka's, with the same keys and the same tokens.

use std::net::SocketAddr;

use proto_tests::jose::Algorithm;

use super::{Bench, SETTLE, Way};
use crate::Res;
use crate::plan::Plan;
use crate::procs::{Kafka, Proc};
use crate::tokens::{ALGORITHMS, Issuer};

/// For the JVM to compile what a login runs.
const WARM: usize = 24_000;

/// The issuer, if the part is wanted: Kafka is started with it.
pub fn issuer(plan: &Plan) -> Res<Option<Issuer>> {
    plan.wants("token-logins").then(|| Issuer::start(plan.logins)).transpose()
}

/// A doorkeeper that takes tokens, and who issues them.
pub struct Tokens {
    issuer: Issuer,
    doorkeeper: Proc,
    addr: SocketAddr,
}

impl Tokens {
    pub fn start(plan: &Plan, issuer: Option<Issuer>, kafka: &Kafka) -> Res<Option<Self>> {
        let Some(issuer) = issuer else { return Ok(None) };
        let (doorkeeper, addr) = plan.places.start_doorkeeper_tokens(kafka.plain, &issuer)?;
        Ok(Some(Self { issuer, doorkeeper, addr }))
    }

    pub fn cpu(&self) -> Res<f64> {
        self.doorkeeper.cpu()
    }
}

impl Bench<'_> {
    fn tokens(&self) -> Res<&Tokens> {
        self.tokens.as_ref().ok_or_else(|| "no token is measured".into())
    }

    /// That both take the tokens, and a JVM that is warm.
    pub(super) fn prepare_tokens(&mut self) -> Res<()> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        for algorithm in ALGORITHMS {
            eprintln!("bench: {WARM} logins with tokens of {} to warm Kafka's JVM", algorithm.name());
            tokens.issuer.log_in_repeatedly(self.kafka.tokens, algorithm, WARM)?;
            tokens.issuer.log_in_repeatedly(tokens.addr, algorithm, WARM / 10)?;
        }
        Ok(())
    }

    pub(super) fn token_round(&mut self, round: usize) -> Res<()> {
        if self.tokens.is_some() {
            ALGORITHMS.into_iter().try_for_each(|algorithm| self.token_logins(round, algorithm))?;
        }
        Ok(())
    }

    fn token_logins(&mut self, round: usize, algorithm: Algorithm) -> Res<()> {
        let count = self.plan.logins;
        let mut ways = [(Way::Straight, self.kafka.tokens), (Way::Doorkeeper, self.tokens()?.addr)];
        ways.rotate_left(round % 2);
        for (way, addr) in ways {
            let cpu = |bench: &Self| match way {
                Way::Straight => bench.kafka.proc.cpu_by_ticks(),
                _ => bench.tokens()?.cpu(),
            };
            let before = cpu(self)?;
            let seconds = self.tokens()?.issuer.log_in_repeatedly(addr, algorithm, count)?;
            std::thread::sleep(SETTLE);
            let used = cpu(self)? - before;
            self.figures.add(format!("{} logins per s", algorithm.name()), way, count as f64 / seconds);
            self.figures.add(format!("{} logins cpu us", algorithm.name()), way, used * 1e6 / count as f64);
        }
        Ok(())
    }
}
