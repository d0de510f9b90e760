//! Frames of nearly 100 MB, up and down: they stream through, and doorkeeper's memory does not notice.

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front::Spec;
use proto_tests::wire::records::{batch, crc32c};
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check, check_eq, progress};

use crate::steady;

const VALUE: usize = 95_000_000;

pub fn trials() -> Vec<Trial> {
    vec![steady("relay::frame_of_95_megabytes", |cluster| {
        let name = "relay-big";
        let id = cluster.create_topic(name, &[&[1]], &[("max.message.bytes", "100000000")])?.topics[0].topic_id;
        let front = Spec::new(&cluster.bootstrap())?.start()?;
        let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
        // One small record first, so that every buffer of the connection has been made.
        let seen = conn.call(9, &requests::produce(name, 0, 1, batch(&[b"small"]).into()))?;
        check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce of a small record");
        let before = front.process.peak_resident()?;
        progress("a record of 95 MB, up and down");
        let (sum, sent) = produce(&mut conn, name)?;
        let up = front.process.peak_resident()?;
        let seen = conn.call(17, &requests::fetch(id, 0, 1, -1))?;
        let records = seen.responses[0].partitions[0].records.clone().unwrap_or_default();
        check_eq!(records.len(), sent, "bytes that came back");
        // The broker writes offset and leader epoch into the head of the batch; the checksum covers what follows.
        check_eq!(crc32c(&records[21..]), sum, "checksum of what came back");
        let down = front.process.peak_resident()?;
        let (up, down) = ((up - before) >> 10, (down - before) >> 10);
        progress(format!("doorkeeper's peak grew by {up} KiB for the way up, {down} KiB for both"));
        check!(down < 16 << 10, "doorkeeper grew by {down} KiB for a frame of 95 MB");
        still_there(cluster, &front)
    })]
}

/// Sends the big record; gives the checksum and size of the batch.
fn produce(conn: &mut Conn, name: &str) -> Result<(u32, usize)> {
    let value: Vec<u8> = (0..VALUE).map(|i| ((i * 2_654_435_761usize) >> 13) as u8).collect();
    let bytes = batch(&[&value]);
    let (sum, sent) = (crc32c(&bytes[21..]), bytes.len());
    let seen = conn.call(9, &requests::produce(name, 0, 1, bytes.into()))?;
    check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce of 95 MB");
    Ok((sum, sent))
}

fn still_there(cluster: &Cluster, front: &proto_tests::front::Front) -> Result<()> {
    let mut conn = Conn::login(front.node(2), "bob", "bob-secret")?;
    check_eq!(conn.call(12, &requests::metadata(&[]))?.brokers.len(), cluster.brokers.len(), "brokers");
    Ok(())
}
