//! Bulk load: producers that resend a batch, and consumers that read a topic from start to end over and over.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::batch::{self, CHECKSUMMED};
use crate::client::{Conn, Endpoint};
use crate::{Res, wire};

pub const PARTITIONS: i32 = 4;
/// Unanswered requests per producer connection; what Kafka's own producer allows.
const IN_FLIGHT: usize = 5;
const PRODUCERS: usize = 2;

/// A shape of load: what one request or response carries.
#[derive(Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    /// For the table.
    pub words: &'static str,
    records: usize,
    record_size: usize,
    /// How many partitions one produce request carries a batch for.
    spread: usize,
    /// What one topic to consume from holds, and what one run moves, in MiB.
    pub topic_mib: usize,
    pub produce_mib: usize,
    pub consume_mib: usize,
}

pub const SHAPES: [Shape; 3] = [
    Shape {
        name: "1k",
        words: "1 KB records, batches of 1 MB",
        records: 960,
        record_size: 1024,
        spread: 1,
        topic_mib: 1024,
        produce_mib: 1536,
        consume_mib: 4096,
    },
    Shape {
        name: "100k",
        words: "100 KB records, batches of 1 MB",
        records: 9,
        record_size: 102_400,
        spread: 1,
        topic_mib: 1024,
        produce_mib: 1536,
        consume_mib: 4096,
    },
    Shape {
        name: "small",
        words: "1 KB records, batches of 16 KB",
        records: 15,
        record_size: 1024,
        spread: 4,
        topic_mib: 256,
        produce_mib: 1024,
        consume_mib: 1024,
    },
];

impl Shape {
    pub fn batch(&self) -> Vec<u8> {
        batch::batch(self.records, self.record_size)
    }
}

/// Bytes that went the way of the load, and how long that took.
#[derive(Clone, Copy, Default)]
pub struct Moved {
    pub bytes: u64,
    pub seconds: f64,
}

impl Moved {
    pub fn mb_per_s(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds
    }
}

pub struct Producers {
    lanes: Vec<ProducerLane>,
}

struct ProducerLane {
    conn: Conn,
    frames: Vec<Vec<u8>>,
    next: usize,
}

impl Producers {
    pub fn open(endpoint: Endpoint, topic_id: &[u8; 16], shape: &Shape) -> Res<Self> {
        let batch = shape.batch();
        let partitions: Vec<i32> = (0..PARTITIONS).collect();
        let mut lanes = Vec::new();
        for lane in 0..PRODUCERS {
            let mut frames: Vec<_> =
                partitions.chunks(shape.spread).map(|chunk| wire::produce(topic_id, chunk, &batch)).collect();
            // Each producer begins elsewhere, so that they seldom meet in one partition.
            let shift = lane * frames.len() / PRODUCERS;
            frames.rotate_left(shift);
            lanes.push(ProducerLane { conn: Conn::open(endpoint)?, frames, next: 0 });
        }
        Ok(Self { lanes })
    }

    /// Sends `mib` in all and waits for the last answer.
    pub fn push(&mut self, mib: usize) -> Res<Moved> {
        let budget = AtomicI64::new((mib as i64) << 20);
        let start = Instant::now();
        let bytes = on_threads(&mut self.lanes, |lane| lane.push(&budget))?;
        Ok(Moved { bytes, seconds: start.elapsed().as_secs_f64() })
    }
}

impl ProducerLane {
    fn push(&mut self, budget: &AtomicI64) -> Res<u64> {
        let mut waiting = VecDeque::new();
        let mut sent = 0;
        loop {
            let lane = self.next % self.frames.len();
            let len = self.frames[lane].len();
            if budget.fetch_sub(len as i64, Ordering::Relaxed) <= 0 {
                break;
            }
            waiting.push_back(self.conn.stamp(&mut self.frames[lane]));
            self.conn.send(&self.frames[lane])?;
            self.next += 1;
            sent += len as u64;
            if waiting.len() == IN_FLIGHT {
                self.settle(&mut waiting)?;
            }
        }
        while !waiting.is_empty() {
            self.settle(&mut waiting)?;
        }
        Ok(sent)
    }

    fn settle(&mut self, waiting: &mut VecDeque<i32>) -> Res<()> {
        match waiting.pop_front() {
            Some(id) => wire::check_produced(self.conn.receive(id)?),
            None => Ok(()),
        }
    }
}

/// A topic to read: every batch in it has the same bytes, but for its offset.
#[derive(Clone)]
pub struct Filled {
    pub topic_id: [u8; 16],
    batch: Vec<u8>,
    records: i64,
    batches_per_partition: i64,
}

/// Fills the topic straight at Kafka.
pub fn fill(endpoint: Endpoint, topic_id: [u8; 16], shape: &Shape) -> Res<Filled> {
    let batch = shape.batch();
    let mut conn = Conn::open(endpoint)?;
    let batches_per_partition = ((shape.topic_mib << 20) / batch.len() / PARTITIONS as usize) as i64;
    let partitions: Vec<i32> = (0..PARTITIONS).collect();
    for partition in partitions {
        let mut frame = wire::produce(&topic_id, &[partition], &batch);
        for _ in 0..batches_per_partition {
            let id = conn.stamp(&mut frame);
            conn.send(&frame)?;
            wire::check_produced(conn.receive(id)?)?;
        }
    }
    Ok(Filled { topic_id, records: shape.records as i64, batch, batches_per_partition })
}

pub struct Consumers {
    lanes: Vec<ConsumerLane>,
}

struct ConsumerLane {
    conn: Conn,
    frame: Vec<u8>,
    topic: Filled,
    at: i64,
}

impl Consumers {
    /// One connection per partition; each response carries just one batch.
    pub fn open(endpoint: Endpoint, topic: &Filled) -> Res<Self> {
        let mut lanes = Vec::new();
        for partition in 0..PARTITIONS {
            let frame = wire::fetch(&topic.topic_id, partition, 500, topic.batch.len() as i32);
            lanes.push(ConsumerLane { conn: Conn::open(endpoint)?, frame, topic: topic.clone(), at: 0 });
        }
        Ok(Self { lanes })
    }

    pub fn pull(&mut self, mib: usize) -> Res<Moved> {
        let budget = AtomicI64::new((mib as i64) << 20);
        let start = Instant::now();
        let bytes = on_threads(&mut self.lanes, |lane| lane.pull(&budget))?;
        Ok(Moved { bytes, seconds: start.elapsed().as_secs_f64() })
    }

    /// Reads `n` batches of each partition whole and compares them with what was produced.
    pub fn verify(&mut self, n: usize) -> Res<()> {
        self.lanes.iter_mut().try_for_each(|lane| (0..n).try_for_each(|_| lane.fetch_and_compare()))
    }
}

impl ConsumerLane {
    fn pull(&mut self, budget: &AtomicI64) -> Res<u64> {
        let mut got = 0;
        while budget.load(Ordering::Relaxed) > 0 {
            let len = self.fetch()?;
            budget.fetch_sub(len as i64, Ordering::Relaxed);
            got += len as u64;
        }
        Ok(got)
    }

    fn request(&mut self) -> Res<i32> {
        let id = self.conn.stamp(&mut self.frame);
        let at = wire::FETCH_OFFSET_AT;
        self.frame[at..at + 8].copy_from_slice(&self.at.to_be_bytes());
        self.conn.send(&self.frame)?;
        Ok(id)
    }

    /// The response's bytes; only its head is looked at here, the kernel drops the records.
    fn fetch(&mut self) -> Res<usize> {
        let id = self.request()?;
        let (head, len) = self.conn.receive_head(id, 160)?;
        let mut r = wire::Reader(head);
        let records = wire::records_len(&mut r)?;
        check_batch(&self.topic, self.at, records, r.i64()?)?;
        self.advance();
        Ok(len + 4)
    }

    fn fetch_and_compare(&mut self) -> Res<()> {
        let id = self.request()?;
        let body = self.conn.receive(id)?;
        let mut r = wire::Reader(body);
        let records = wire::records_len(&mut r)?;
        let bytes = r.take(records)?;
        check_batch(&self.topic, self.at, records, wire::Reader(bytes).i64()?)?;
        if bytes[CHECKSUMMED - 4..] != self.topic.batch[CHECKSUMMED - 4..] {
            return Err(format!("the batch at offset {} is not what was produced", self.at).into());
        }
        self.advance();
        Ok(())
    }

    fn advance(&mut self) {
        self.at = (self.at + self.topic.records) % (self.topic.records * self.topic.batches_per_partition);
    }
}

fn check_batch(topic: &Filled, at: i64, records: usize, base: i64) -> Res<()> {
    if records != topic.batch.len() || base != at {
        return Err(format!("fetch at {at}: {records} bytes of records from offset {base} on").into());
    }
    Ok(())
}

/// Runs `work` on all lanes at once and sums what they give.
pub fn on_threads<L: Send, F>(lanes: &mut [L], work: F) -> Res<u64>
where
    F: Fn(&mut L) -> Res<u64> + Sync,
{
    std::thread::scope(|scope| {
        let running: Vec<_> = lanes.iter_mut().map(|lane| scope.spawn(|| work(lane))).collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| "a load thread panicked")?).sum()
    })
}

/// How long the server is given to settle its accounts before its CPU time is read.
pub const SETTLE: Duration = Duration::from_millis(200);
