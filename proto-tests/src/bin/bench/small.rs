//! Small messages: pipelined Metadata requests, and the latency of one small produce at a fixed rate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::client::{Conn, Endpoint};
use crate::load::on_threads;
use crate::{Res, batch, wire};

const CONNECTIONS: usize = 4;
const DEPTH: usize = 8;

/// Connections that each keep `DEPTH` Metadata requests under way.
pub struct Askers(Vec<Asker>);

struct Asker {
    conn: Conn,
    frame: Vec<u8>,
    size: Option<usize>,
}

impl Askers {
    pub fn open(endpoint: Endpoint, topic: &str) -> Res<Self> {
        let frame = wire::metadata(&[topic]);
        let mut askers = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut conn = Conn::open(endpoint)?;
            match conn.metadata(&[topic])?.topic {
                Some((0, ..)) => askers.push(Asker { conn, frame: frame.clone(), size: None }),
                other => return Err(format!("Metadata of {topic}: {other:?}").into()),
            }
        }
        Ok(Self(askers))
    }

    /// How many requests were answered in `time`.
    pub fn ask(&mut self, time: Duration) -> Res<u64> {
        let end = Instant::now() + time;
        on_threads(&mut self.0, |asker| asker.ask(end))
    }
}

impl Asker {
    /// Reads what has come, counts the answers, and sends as many requests again in one write: a client's event loop.
    fn ask(&mut self, end: Instant) -> Res<u64> {
        let (mut waiting, mut out, mut buffer, mut have) = (VecDeque::new(), Vec::new(), vec![0; 64 << 10], 0);
        let mut answers = 0;
        loop {
            out.clear();
            while waiting.len() < DEPTH && Instant::now() < end {
                waiting.push_back(self.conn.stamp(&mut self.frame));
                out.extend_from_slice(&self.frame);
            }
            self.conn.send(&out)?;
            if waiting.is_empty() {
                return Ok(answers);
            }
            have += self.conn.read_some(&mut buffer[have..])?;
            let mut at = 0;
            while let Some(len) = whole_frame(&buffer[at..have]) {
                let id = waiting.pop_front().ok_or("an answer without a request")?;
                // Every answer has the size of the first: brokers and topic do not change here.
                if buffer[at + 4..at + 8] != id.to_be_bytes() || len != *self.size.get_or_insert(len) {
                    return Err("an answer to another request, or of another size".into());
                }
                at += len;
                answers += 1;
            }
            buffer.copy_within(at..have, 0);
            have -= at;
        }
    }
}

/// The length of the frame at the head of `bytes`, if all of it is there.
fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let len = 4 + u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    (len >= 8 && bytes.len() >= len).then_some(len)
}

/// Microseconds of each produce, lane by lane.
pub type Latencies = Vec<Vec<f64>>;

/// Sends one record of 100 bytes with acks=1 to each endpoint `rate` times a second. The lanes take turns, in an order
/// that changes, so that none always follows the same other one.
pub fn latency(endpoints: &[Endpoint], topic_id: &[u8; 16], rate: f64, time: Duration) -> Res<Latencies> {
    let record = batch::batch(1, 100);
    let mut frame = wire::produce(topic_id, &[0], &record);
    let mut lanes = endpoints.iter().map(|e| Conn::open(*e)).collect::<Res<Vec<_>>>()?;
    let mut taken = vec![Vec::new(); lanes.len()];
    let orders = permutations(lanes.len());
    let gap = Duration::from_secs_f64(1.0 / rate / lanes.len() as f64);
    // The first second is not counted.
    let (rounds, warm) = ((time.as_secs_f64() * rate) as usize, rate as usize);
    let mut due = Instant::now();
    for round in 0..warm + rounds {
        for lane in &orders[round % orders.len()] {
            due += gap;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let start = Instant::now();
            let id = lanes[*lane].stamp(&mut frame);
            lanes[*lane].send(&frame)?;
            wire::check_produced(lanes[*lane].receive(id)?)?;
            if round >= warm {
                taken[*lane].push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    Ok(taken)
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(n - 1) {
        for at in 0..n {
            let mut longer = shorter.clone();
            longer.insert(at, n - 1);
            all.push(longer);
        }
    }
    all
}
