//! The rounds with TLS from the client, plaintext to Kafka: doorkeeper, HAProxy and Envoy, and Kafka's own TLS beside them.

use std::time::Duration;

use super::{Bench, GIB, IDLE, Way};
use crate::client::{Conn, Endpoint};
use crate::identity::Identity;
use crate::load::{self, Consumers, Filled, Producers, SHAPES, Shape};
use crate::plan::Plan;
use crate::procs::{Front, Kafka};
use crate::{Res, logins};

/// Records in batches of 1 MB only: what TLS costs is its bytes and its handshakes.
pub const TLS_SHAPES: [&Shape; 2] = [&SHAPES[0], &SHAPES[1]];
/// Share of the volume of the rounds without TLS, which are faster.
const VOLUME: f64 = 0.5;

pub struct Tls {
    identity: Identity,
    sides: Vec<Side>,
}

struct Side {
    way: Way,
    /// None: Kafka itself.
    front: Option<Front>,
    /// Where a load goes.
    load: Endpoint,
    /// Where a handshake is asked for, as for a load.
    handshake: Endpoint,
    /// Where one is asked for that leads no further, if that is another place.
    alone: Option<Endpoint>,
    login: Option<Endpoint>,
}

impl Tls {
    pub fn start(plan: &Plan, identity: Identity, kafka: &Kafka) -> Res<Self> {
        let config = identity.client()?;
        let tls = |addr| Endpoint { addr, login: false, tls: Some(config) };
        let mut sides = vec![Side {
            way: Way::Straight,
            front: None,
            load: tls(kafka.ssl),
            handshake: tls(kafka.ssl),
            alone: None,
            login: Some(tls(kafka.sasl_ssl)),
        }];
        for way in [Way::Doorkeeper, Way::HaProxy, Way::Envoy] {
            let Some(front) = start(plan, way, kafka, &identity)? else { continue };
            let entry = tls(front.addr);
            let (load, alone, login) = match way {
                Way::Doorkeeper => (super::node_behind(entry.with_login(), kafka.plain)?, None, Some(entry)),
                _ => (entry, Some(tls(front.handshake_only)), None),
            };
            sides.push(Side { way, front: Some(front), load, handshake: entry, alone, login });
        }
        Ok(Self { identity, sides })
    }

    pub fn cpu(&self) -> Res<f64> {
        self.sides.iter().filter_map(|side| side.front.as_ref()).map(|front| front.proc.cpu()).sum()
    }

    fn side(&self, way: Way) -> Option<&Side> {
        self.sides.iter().find(|side| side.way == way)
    }
}

/// None if it is Envoy, and it cannot be had.
fn start(plan: &Plan, way: Way, kafka: &Kafka, identity: &Identity) -> Res<Option<Front>> {
    let (places, backend) = (&plan.places, kafka.plain);
    match (way, &places.envoy) {
        (Way::Straight, _) | (Way::Envoy, None) => Ok(None),
        (Way::Doorkeeper, _) => places.start_doorkeeper_tls(backend, identity).map(Some),
        (Way::HaProxy, _) => places.start_haproxy_tls(backend, identity).map(Some),
        (Way::Envoy, Some(envoy)) => places.start_envoy(envoy, backend, identity).map(Some),
    }
}

impl Bench<'_> {
    /// That all agree on the same things and hand out what was produced; and a JVM that is warm.
    pub(super) fn prepare_tls(&mut self, filled: &[Filled]) -> Res<()> {
        for side in &self.tls.sides {
            let agreed = Conn::dial(side.load)?.into_tls()?.agreed()?;
            if self.figures.agreed.get_or_insert_with(|| agreed.clone()) != &agreed {
                return Err(format!("{:?} agrees on {agreed}", side.way).into());
            }
            if self.plan.wants("tls-consume") {
                for (_, topic) in TLS_SHAPES.iter().zip(filled) {
                    Consumers::open(side.load, topic)?.verify(8)?;
                }
            }
            // Kafka's JVM must compile what its handshakes and logins run.
            let warm = if side.front.is_none() { self.plan.handshakes * 2 } else { self.plan.handshakes / 5 };
            if self.plan.wants("tls-handshakes") {
                logins::shake_hands_repeatedly(side.handshake, warm)?;
            }
            if let Some(login) = side.login.filter(|_| self.plan.wants("tls-logins")) {
                logins::log_in_repeatedly(login, warm)?;
            }
        }
        Ok(())
    }

    pub(super) fn tls_round(&mut self, round: usize, filled: &[Filled]) -> Res<()> {
        for shape in TLS_SHAPES {
            if self.plan.wants("tls-produce") {
                self.each_side(round, |bench, way| bench.tls_produce(way, shape))?;
            }
        }
        for (shape, topic) in TLS_SHAPES.into_iter().zip(filled) {
            if self.plan.wants("tls-consume") {
                self.each_side(round, |bench, way| bench.tls_consume(way, shape, topic))?;
            }
        }
        if self.plan.wants("tls-handshakes") {
            self.each_side(round, Self::handshakes)?;
        }
        if self.plan.wants("tls-logins") {
            self.each_side(round, Self::tls_logins)?;
        }
        if self.plan.wants("tls-idle") {
            self.each_side(round, Self::tls_idle)?;
        }
        Ok(())
    }

    /// `measure` for each side, beginning with another one in each round.
    fn each_side(&mut self, round: usize, measure: impl Fn(&mut Self, Way) -> Res<()>) -> Res<()> {
        let mut ways: Vec<_> = self.tls.sides.iter().map(|side| side.way).collect();
        let shift = round % ways.len();
        ways.rotate_left(shift);
        ways.into_iter().try_for_each(|way| measure(self, way))
    }

    fn tls_cpu(&self, way: Way) -> Res<f64> {
        match self.tls.side(way).and_then(|side| side.front.as_ref()) {
            Some(front) => front.proc.cpu(),
            None => self.kafka.proc.cpu_by_ticks(),
        }
    }

    fn tls_with_cpu<T>(&mut self, way: Way, work: impl FnOnce() -> Res<T>) -> Res<(T, f64)> {
        let before = self.tls_cpu(way)?;
        let done = work()?;
        std::thread::sleep(load::SETTLE);
        Ok((done, self.tls_cpu(way)? - before))
    }

    fn place(&self, way: Way) -> Res<&Side> {
        self.tls.side(way).ok_or_else(|| format!("{way:?} does not run").into())
    }

    fn tls_produce(&mut self, way: Way, shape: &Shape) -> Res<()> {
        let (name, id) = self.new_topic()?;
        let mut producers = Producers::open(self.place(way)?.load, &id, shape)?;
        let mib = self.scaled_tls(shape.produce_mib);
        producers.push(mib / 8)?;
        let (moved, cpu) = self.tls_with_cpu(way, || producers.push(mib))?;
        self.drop_topic(&name)?;
        self.add_moved("produce", way, shape, moved, cpu);
        Ok(())
    }

    fn tls_consume(&mut self, way: Way, shape: &Shape, topic: &Filled) -> Res<()> {
        let mut consumers = Consumers::open(self.place(way)?.load, topic)?;
        let mib = self.scaled_tls(shape.consume_mib);
        consumers.pull(mib / 8)?;
        let (moved, cpu) = self.tls_with_cpu(way, || consumers.pull(mib))?;
        self.add_moved("consume", way, shape, moved, cpu);
        Ok(())
    }

    fn add_moved(&mut self, direction: &str, way: Way, shape: &Shape, moved: load::Moved, cpu: f64) {
        self.figures.add(format!("tls {direction} {} MB/s", shape.name), way, moved.mb_per_s());
        self.figures.add(format!("tls {direction} {} cpu", shape.name), way, cpu / (moved.bytes as f64 / GIB));
    }

    fn scaled_tls(&self, mib: usize) -> usize {
        (self.scaled(mib) as f64 * VOLUME) as usize
    }

    fn handshakes(&mut self, way: Way) -> Res<()> {
        let side = self.place(way)?;
        let (full, alone, count) = (side.handshake, side.alone.unwrap_or(side.handshake), self.plan.handshakes);
        let two = side.alone.is_some();
        let (seconds, cpu) = self.tls_with_cpu(way, || logins::shake_hands_repeatedly(full, count))?;
        self.figures.add("handshakes per s", way, count as f64 / seconds);
        self.figures.add("handshake cpu us", way, cpu * 1e6 / count as f64);
        let cpu = if two { self.tls_with_cpu(way, || logins::shake_hands_repeatedly(alone, count))?.1 } else { cpu };
        self.figures.add("handshake alone cpu us", way, cpu * 1e6 / count as f64);
        Ok(())
    }

    /// Kafka and doorkeeper; the others cannot log anyone in.
    fn tls_logins(&mut self, way: Way) -> Res<()> {
        let Some(login) = self.place(way)?.login else { return Ok(()) };
        let count = self.plan.handshakes;
        let (seconds, cpu) = self.tls_with_cpu(way, || logins::log_in_repeatedly(login, count))?;
        self.figures.add("tls logins per s", way, count as f64 / seconds);
        self.figures.add("tls logins cpu us", way, cpu * 1e6 / count as f64);
        Ok(())
    }

    /// As `idle`: on a fresh process, with a connection to the backend and, for doorkeeper, also before there is one.
    fn tls_idle(&mut self, way: Way) -> Res<()> {
        let asking: &[bool] = match way {
            Way::Straight => &[],
            Way::Doorkeeper => &[true, false],
            _ => &[true],
        };
        for ask in asking {
            let config = self.place(way)?.load.tls;
            let Some(front) = start(self.plan, way, &self.kafka, &self.tls.identity)? else { return Ok(()) };
            let endpoint = Endpoint { addr: front.addr, login: way == Way::Doorkeeper, tls: config };
            drop(logins::stay(endpoint, 8, true)?);
            std::thread::sleep(Duration::from_secs(1));
            let before = front.proc.pss()?;
            let mut held = logins::stay(endpoint, IDLE, *ask)?;
            std::thread::sleep(Duration::from_secs(2));
            let per_connection = (front.proc.pss()? - before) / IDLE as f64;
            logins::all_live(&mut held)?;
            let measure = if *ask { "tls idle bytes" } else { "tls idle bytes, login only" };
            self.figures.add(measure, way, per_connection);
        }
        Ok(())
    }
}
