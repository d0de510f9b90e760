//! The rounds with the credential store: what a SCRAM login costs beside Kafka's, and what many users cost.

use std::time::{Duration, Instant};

use proto_tests::scram::Hash;

use super::{Bench, SETTLE, Way};
use crate::client::{Conn, Endpoint};
use crate::plan::Plan;
use crate::procs::{Kafka, StoreFront};
use crate::{Res, scram};

/// Users of the smaller of the two stores.
pub const FEW: usize = 10;
/// For the JVM to compile what a login runs.
const WARM: usize = 24_000;
/// How long a front is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(2);

/// doorkeepers with stores: of a few users with both mechanisms, and of few and of many with SCRAM-SHA-256 alone.
pub struct Stores {
    both: StoreFront,
    few: StoreFront,
    many: StoreFront,
    /// CPU seconds of those that were restarted.
    gone: f64,
}

impl Stores {
    pub fn start(plan: &Plan, kafka: &Kafka) -> Res<Option<Self>> {
        if !plan.wants("scram-logins") && !plan.wants("users") {
            return Ok(None);
        }
        let start = |name| plan.places.start_store_front(kafka.plain, name);
        Ok(Some(Self { both: start("both")?, few: start("few")?, many: start("many")?, gone: 0.0 }))
    }

    pub fn cpu(&self) -> Res<f64> {
        Ok(self.both.proc.cpu()? + self.few.proc.cpu()? + self.many.proc.cpu()? + self.gone)
    }
}

impl Bench<'_> {
    fn stores(&self) -> Res<&Stores> {
        self.stores.as_ref().ok_or_else(|| "no store is measured".into())
    }

    /// Users, and a JVM that is warm.
    pub(super) fn prepare_stores(&mut self) -> Res<()> {
        let plan = self.plan;
        let Some(stores) = &mut self.stores else { return Ok(()) };
        scram::create_users(stores.both.addr, true, &Hash::BOTH, FEW)?;
        scram::create_users(stores.few.addr, true, &[Hash::Sha256], FEW)?;
        if self.plan.wants("users") {
            let users = self.plan.users;
            eprintln!("bench: creating {users} users");
            let seconds = scram::create_users(stores.many.addr, true, &[Hash::Sha256], users)?;
            self.figures.users = users;
            self.figures.add("users loaded s", Way::Doorkeeper, seconds);
            // Few fit into the buffer of what was written last; after a start all are in files, as they mostly are.
            for front in [&mut stores.few, &mut stores.many] {
                stores.gone += front.proc.cpu()?;
                front.proc.end(false)?;
                front.proc = plan.places.restart_store_front(front)?;
            }
        }
        if self.plan.wants("scram-logins") {
            scram::create_users(self.kafka.plain, false, &Hash::BOTH, FEW)?;
            for hash in Hash::BOTH {
                eprintln!("bench: {WARM} logins by {} to warm Kafka's JVM", hash.mechanism());
                scram::log_in_repeatedly(self.kafka.sasl, hash, WARM)?;
                scram::log_in_repeatedly(self.stores()?.both.addr, hash, WARM / 10)?;
            }
        }
        Ok(())
    }

    pub(super) fn store_round(&mut self, round: usize) -> Res<()> {
        if self.plan.wants("scram-logins") {
            Hash::BOTH.into_iter().try_for_each(|hash| self.scram_logins(round, hash))?;
        }
        if self.plan.wants("users") {
            self.users(round)?;
            self.start_with_users()?;
        }
        Ok(())
    }

    fn scram_logins(&mut self, round: usize, hash: Hash) -> Res<()> {
        let (name, count) = (hash.mechanism(), self.plan.logins);
        let mut ways = [(Way::Straight, self.kafka.sasl), (Way::Doorkeeper, self.stores()?.both.addr)];
        ways.rotate_left(round % 2);
        for (way, addr) in ways {
            let cpu = |bench: &Self| match way {
                Way::Straight => bench.kafka.proc.cpu_by_ticks(),
                _ => bench.stores()?.both.proc.cpu(),
            };
            let before = cpu(self)?;
            let seconds = scram::log_in_repeatedly(addr, hash, count)?;
            std::thread::sleep(SETTLE);
            let used = cpu(self)? - before;
            self.figures.add(format!("{name} logins per s"), way, count as f64 / seconds);
            self.figures.add(format!("{name} logins cpu us"), way, used * 1e6 / count as f64);
        }
        Ok(())
    }

    /// The same described and logged in with few users and with many.
    fn users(&mut self, round: usize) -> Res<()> {
        type Load = fn(std::net::SocketAddr, usize, usize) -> Res<f64>;
        let loads: [(&str, Load); 2] = [
            ("describe", scram::describe_any),
            ("login", |addr, users, count| scram::log_in_as_any(addr, Hash::Sha256, users, count)),
        ];
        let count = self.plan.logins;
        for (what, load) in loads {
            let mut sides = [("few", FEW), ("many", self.plan.users)];
            sides.rotate_left(round % 2);
            for (which, users) in sides {
                let front = |bench: &'_ Self| -> Res<(std::net::SocketAddr, f64)> {
                    let stores = bench.stores()?;
                    let front = if which == "few" { &stores.few } else { &stores.many };
                    Ok((front.addr, front.proc.cpu()?))
                };
                // What is in the caches of a front that has just started is not the point.
                load(front(self)?.0, users, count / 4)?;
                let (addr, before) = front(self)?;
                let seconds = load(addr, users, count)?;
                std::thread::sleep(SETTLE);
                let used = front(self)?.1 - before;
                self.figures.add(format!("{what}, {which} users, us"), Way::Doorkeeper, seconds * 1e6 / count as f64);
                self.figures.add(format!("{what}, {which} users, cpu us"), Way::Doorkeeper, used * 1e6 / count as f64);
            }
        }
        Ok(())
    }

    /// From the start of the process to the first login by SCRAM, and what the store takes of memory then.
    fn start_with_users(&mut self) -> Res<()> {
        let (plan, backend) = (self.plan, self.kafka.plain);
        let idle = |proc: &crate::procs::Proc, addr| -> Res<f64> {
            drop(Conn::open(Endpoint::plain(addr).with_login())?);
            std::thread::sleep(IDLE);
            proc.pss()
        };
        let (proc, addr) = plan.places.start_doorkeeper(backend)?;
        let without = idle(&proc, addr)?;
        drop(proc);
        let empty = plan.places.start_store_front(backend, "empty")?;
        let with_empty = idle(&empty.proc, empty.addr)?;
        drop(empty);
        let mut stores = self.stores.take().ok_or("no store is measured")?;
        stores.gone += stores.many.proc.cpu()?;
        for (how, kill) in [("SIGTERM", false), ("SIGKILL", true)] {
            stores.many.proc.end(kill)?;
            let begin = Instant::now();
            stores.many.proc = plan.places.restart_store_front(&stores.many)?;
            scram::log_in_as_any(stores.many.addr, Hash::Sha256, plan.users, 1)?;
            let seconds = begin.elapsed().as_secs_f64();
            self.figures.add(format!("start after {how} s"), Way::Doorkeeper, seconds);
        }
        let with_many = idle(&stores.many.proc, stores.many.addr)?;
        self.stores = Some(stores);
        self.figures.add("empty store bytes", Way::Doorkeeper, with_empty - without);
        self.figures.add("idle store bytes", Way::Doorkeeper, with_many - without);
        Ok(())
    }
}
