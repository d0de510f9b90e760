//! The rounds: every part for each target in turn, so that what disturbs the machine disturbs all alike.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::{Conn, Endpoint};
use crate::identity::Identity;
use crate::load::{self, Consumers, Filled, PARTITIONS, Producers, SETTLE, SHAPES, Shape};
use crate::plan::Plan;
use crate::procs::{self, Kafka, Proc};
use crate::{Res, logins, machine, small};

mod store;
mod tls;
mod tokens;

pub use store::FEW;
use store::Stores;
pub use tls::TLS_SHAPES;
use tls::Tls;
use tokens::Tokens;

/// One of the ways to Kafka. As an index it orders columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Straight,
    Doorkeeper,
    HaProxy,
    /// With TLS only.
    Envoy,
}

/// Those without TLS.
pub const WAYS: [Way; 3] = [Way::Straight, Way::Doorkeeper, Way::HaProxy];

/// What each round gave, by measure and way.
#[derive(Default)]
pub struct Figures {
    taken: BTreeMap<(String, Way), Vec<f64>>,
    /// Cores that programs which are not the bench's kept busy meanwhile.
    pub others: f64,
    /// What client and servers agreed on in TLS.
    pub agreed: Option<String>,
    pub without_envoy: bool,
    /// Users of the larger store.
    pub users: usize,
}

impl Figures {
    fn add(&mut self, measure: impl Into<String>, way: Way, value: f64) {
        self.taken.entry((measure.into(), way)).or_default().push(value);
    }

    pub fn get(&self, measure: &str, way: Way) -> &[f64] {
        self.taken.get(&(measure.to_string(), way)).map_or(&[], Vec::as_slice)
    }
}

const GIB: f64 = (1u64 << 30) as f64;
const IDLE: usize = 1_000;
const STORM: usize = 4_000;
const STORM_LIMIT: Duration = Duration::from_secs(30);
/// Produces per second and way.
const RATE: f64 = 200.0;
const WARM_LOGINS: usize = 24_000;

struct Bench<'a> {
    plan: &'a Plan,
    kafka: Kafka,
    doorkeeper: Proc,
    doorkeeper_addr: SocketAddr,
    haproxy: Proc,
    tls: Tls,
    /// None where no part needs them.
    stores: Option<Stores>,
    /// None where no part needs it.
    tokens: Option<Tokens>,
    endpoints: [Endpoint; 3],
    figures: Figures,
    topics: usize,
}

pub fn run(plan: &Plan) -> Res<Figures> {
    let work = &plan.places.work;
    let _ = std::fs::remove_dir_all(work);
    std::fs::create_dir_all(work)?;
    let identity = Identity::create(&work.join("tls"))?;
    let issuer = tokens::issuer(plan)?;
    let kafka = plan.places.start_kafka(&identity, issuer.as_ref())?;
    let (doorkeeper, doorkeeper_addr) = plan.places.start_doorkeeper(kafka.plain)?;
    let (haproxy, haproxy_addr) = plan.places.start_haproxy(kafka.plain)?;
    let endpoints = [
        Endpoint::plain(kafka.plain),
        node_behind(Endpoint::plain(doorkeeper_addr).with_login(), kafka.plain)?,
        Endpoint::plain(haproxy_addr),
    ];
    let tls = Tls::start(plan, identity, &kafka)?;
    let stores = Stores::start(plan, &kafka)?;
    let tokens = Tokens::start(plan, issuer, &kafka)?;
    let data = work.join("kafka-data");
    let figures = Figures { without_envoy: plan.places.envoy.is_none(), ..Figures::default() };
    let mut bench =
        Bench { plan, kafka, doorkeeper, doorkeeper_addr, haproxy, tls, stores, tokens, endpoints, figures, topics: 0 };
    let outcome = bench.all();
    let figures = std::mem::take(&mut bench.figures);
    drop(bench);
    std::fs::remove_dir_all(data)?;
    outcome.map(|()| figures)
}

/// Where doorkeeper says that Kafka's only node is; that must be a port of its own.
fn node_behind(front: Endpoint, backend: SocketAddr) -> Res<Endpoint> {
    let brokers = Conn::open(front)?.metadata(&[])?.brokers;
    let [(host, port)] = brokers.as_slice() else {
        return Err(format!("doorkeeper names {} brokers instead of one", brokers.len()).into());
    };
    let addr = SocketAddr::new(host.parse()?, *port);
    if addr == backend {
        return Err("doorkeeper names the backend's own address in Metadata".into());
    }
    Ok(Endpoint { addr, ..front })
}

impl Bench<'_> {
    fn all(&mut self) -> Res<()> {
        let (start, others) = (Instant::now(), self.others_busy()?);
        self.every_round()?;
        self.figures.others = (self.others_busy()? - others) / start.elapsed().as_secs_f64();
        Ok(())
    }

    /// CPU seconds of the machine without ours. The fresh processes of `idle` and `storm` count as others; they use little.
    fn others_busy(&self) -> Res<f64> {
        let ours = procs::cpu_by_ticks("self")? + self.kafka.proc.cpu_by_ticks()?;
        let stores = self.stores.as_ref().map_or(Ok(0.0), Stores::cpu)?;
        let tokens = self.tokens.as_ref().map_or(Ok(0.0), Tokens::cpu)?;
        Ok(machine::busy()? - ours - self.doorkeeper.cpu()? - self.haproxy.cpu()? - self.tls.cpu()? - stores - tokens)
    }

    fn every_round(&mut self) -> Res<()> {
        let plan = self.plan;
        let filled = self.prepare()?;
        for round in 1..=plan.rounds {
            for shape in &SHAPES {
                if plan.wants("produce") {
                    self.in_turn(round, |bench, way| bench.produce(way, shape))?;
                }
            }
            for (shape, topic) in SHAPES.iter().zip(&filled) {
                if plan.wants("consume") {
                    self.in_turn(round, |bench, way| bench.consume(way, shape, topic))?;
                }
            }
            if plan.wants("requests") {
                self.in_turn(round, Self::requests)?;
            }
            if plan.wants("latency") {
                self.latency()?;
            }
            if plan.wants("logins") {
                self.logins(round)?;
            }
            // A fresh process each time: memory that is there already hides what a connection takes.
            if plan.wants("idle") {
                self.idle(Way::Doorkeeper, true)?;
                self.idle(Way::Doorkeeper, false)?;
                self.idle(Way::HaProxy, true)?;
            }
            if plan.wants("storm") {
                self.storm(round)?;
            }
            self.store_round(round)?;
            self.token_round(round)?;
            self.tls_round(round, &filled)?;
            eprintln!("bench: round {round} of {} done", plan.rounds);
        }
        Ok(())
    }

    /// Topics to consume from, a check of what comes through each way, and a JVM that has compiled what it runs often.
    fn prepare(&mut self) -> Res<Vec<Filled>> {
        let mut filled = Vec::new();
        if self.plan.wants("consume") || self.plan.wants("tls-consume") {
            eprintln!("bench: filling the topics to consume from");
            for shape in &SHAPES {
                let (_, id) = self.new_topic()?;
                let topic = load::fill(self.endpoints[0], id, shape)?;
                for way in WAYS {
                    Consumers::open(self.endpoints[way as usize], &topic)?.verify(8)?;
                }
                filled.push(topic);
            }
        }
        self.prepare_tls(&filled)?;
        self.prepare_stores()?;
        self.prepare_tokens()?;
        eprintln!("bench: what comes out of each way is what went in");
        if self.plan.wants("logins") {
            eprintln!("bench: {WARM_LOGINS} logins to warm Kafka's JVM");
            logins::log_in_repeatedly(Endpoint::plain(self.kafka.sasl), WARM_LOGINS)?;
            logins::log_in_repeatedly(Endpoint::plain(self.doorkeeper_addr), WARM_LOGINS / 10)?;
        }
        Ok(filled)
    }

    /// `measure` for each way, beginning with another one in each round.
    fn in_turn(&mut self, round: usize, measure: impl Fn(&mut Self, Way) -> Res<()>) -> Res<()> {
        (0..WAYS.len()).try_for_each(|i| measure(self, WAYS[(round + i) % WAYS.len()]))
    }

    /// CPU of the program that the way leads through; of the broker on the straight way.
    fn cpu(&self, way: Way) -> Res<f64> {
        match way {
            Way::Straight => self.kafka.proc.cpu_by_ticks(),
            Way::Doorkeeper => self.doorkeeper.cpu(),
            Way::HaProxy => self.haproxy.cpu(),
            Way::Envoy => Err("Envoy takes part with TLS only".into()),
        }
    }

    fn with_cpu<T>(&mut self, way: Way, work: impl FnOnce() -> Res<T>) -> Res<(T, f64)> {
        let before = self.cpu(way)?;
        let done = work()?;
        std::thread::sleep(SETTLE);
        Ok((done, self.cpu(way)? - before))
    }

    /// A topic straight at Kafka.
    fn new_topic(&mut self) -> Res<(String, [u8; 16])> {
        self.topics += 1;
        let name = format!("bench-{}", self.topics);
        let id = Conn::open(self.endpoints[0])?.create_topic(&name, PARTITIONS, &[("file.delete.delay.ms", "500")])?;
        Ok((name, id))
    }

    fn drop_topic(&self, name: &str) -> Res<()> {
        Conn::open(self.endpoints[0])?.delete_topic(name)
    }

    fn produce(&mut self, way: Way, shape: &Shape) -> Res<()> {
        let (name, id) = self.new_topic()?;
        let mut producers = Producers::open(self.endpoints[way as usize], &id, shape)?;
        let mib = self.scaled(shape.produce_mib);
        producers.push(mib / 8)?;
        let (moved, cpu) = self.with_cpu(way, || producers.push(mib))?;
        self.drop_topic(&name)?;
        self.figures.add(format!("produce {} MB/s", shape.name), way, moved.mb_per_s());
        self.figures.add(format!("produce {} cpu", shape.name), way, cpu / (moved.bytes as f64 / GIB));
        Ok(())
    }

    fn consume(&mut self, way: Way, shape: &Shape, topic: &Filled) -> Res<()> {
        let mut consumers = Consumers::open(self.endpoints[way as usize], topic)?;
        let mib = self.scaled(shape.consume_mib);
        consumers.pull(mib / 8)?;
        let (moved, cpu) = self.with_cpu(way, || consumers.pull(mib))?;
        self.figures.add(format!("consume {} MB/s", shape.name), way, moved.mb_per_s());
        self.figures.add(format!("consume {} cpu", shape.name), way, cpu / (moved.bytes as f64 / GIB));
        Ok(())
    }

    fn scaled(&self, mib: usize) -> usize {
        (mib as f64 * self.plan.volume) as usize
    }

    fn requests(&mut self, way: Way) -> Res<()> {
        let (name, _) = self.new_topic()?;
        let time = self.plan.small;
        let mut askers = small::Askers::open(self.endpoints[way as usize], &name)?;
        askers.ask(time / 8)?;
        let (answers, cpu) = self.with_cpu(way, || askers.ask(time))?;
        self.drop_topic(&name)?;
        self.figures.add("requests per s", way, answers as f64 / time.as_secs_f64());
        self.figures.add("requests cpu us", way, cpu * 1e6 / answers as f64);
        Ok(())
    }

    fn latency(&mut self) -> Res<()> {
        let (name, id) = self.new_topic()?;
        let mut taken = small::latency(&self.endpoints, &id, RATE, self.plan.latency)?;
        self.drop_topic(&name)?;
        for (way, lane) in WAYS.into_iter().zip(&mut taken) {
            lane.sort_by(f64::total_cmp);
            self.figures.add("latency p50", way, lane[lane.len() / 2]);
            self.figures.add("latency p99", way, lane[lane.len() * 99 / 100]);
        }
        Ok(())
    }

    /// Kafka's own SASL listener stands in for the straight way; HAProxy cannot log anyone in.
    fn logins(&mut self, round: usize) -> Res<()> {
        let mut ways = [(Way::Straight, self.kafka.sasl), (Way::Doorkeeper, self.doorkeeper_addr)];
        ways.rotate_left(round % 2);
        for (way, addr) in ways {
            let count = self.plan.logins;
            let (seconds, cpu) = self.with_cpu(way, || logins::log_in_repeatedly(Endpoint::plain(addr), count))?;
            self.figures.add("logins per s", way, count as f64 / seconds);
            self.figures.add("logins cpu us", way, cpu * 1e6 / count as f64);
        }
        Ok(())
    }

    fn fresh(&self, way: Way) -> Res<(Proc, Endpoint)> {
        let backend = self.kafka.plain;
        Ok(match way {
            Way::HaProxy => {
                let (proc, addr) = self.plan.places.start_haproxy(backend)?;
                (proc, Endpoint::plain(addr))
            }
            _ => {
                let (proc, addr) = self.plan.places.start_doorkeeper(backend)?;
                (proc, Endpoint::plain(addr).with_login())
            }
        })
    }

    /// `ask`: each connection sends one request, so that it has a connection to the backend too.
    fn idle(&mut self, way: Way, ask: bool) -> Res<()> {
        let (proc, endpoint) = self.fresh(way)?;
        // What the first connection alone brings (code pages, pools) is not the thousandth's.
        drop(logins::stay(endpoint, 8, true)?);
        std::thread::sleep(Duration::from_secs(1));
        let before = proc.pss()?;
        let mut held = logins::stay(endpoint, IDLE, ask)?;
        std::thread::sleep(Duration::from_secs(2));
        let per_connection = (proc.pss()? - before) / IDLE as f64;
        logins::all_live(&mut held)?;
        self.figures.add(if ask { "idle bytes" } else { "idle bytes, login only" }, way, per_connection);
        Ok(())
    }

    fn storm(&mut self, round: usize) -> Res<()> {
        let (_proc, endpoint) = self.fresh(Way::Doorkeeper)?;
        let mut sides = vec![(Way::Doorkeeper, endpoint.addr)];
        // Kafka's accept queue is short: once is enough to show what that does.
        if round == 1 {
            sides.push((Way::Straight, self.kafka.sasl));
        }
        for (way, addr) in sides {
            let figure = logins::storm(addr, STORM, STORM_LIMIT)?.unwrap_or(f64::INFINITY);
            self.figures.add("storm s", way, figure);
        }
        Ok(())
    }
}
