//! What is on its way when a client authenticates anew: all of it is answered, in order, and over the same connection to the broker.

use std::net::SocketAddr;
use std::time::Duration;

use kafka_protocol::messages::{
    FetchRequest, MetadataRequest, ProduceRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use libtest_mimic::Trial;
use proto_tests::guarded::SESSIONS;
use proto_tests::http::scrape;
use proto_tests::pki;
use proto_tests::wire::records::batch;
use proto_tests::wire::requests::{self, metadata};
use proto_tests::wire::{Conn, tls};
use proto_tests::{Result, check, check_eq, wait_for};

use super::{ALICE, spec, with_endpoint};
use crate::free;
use crate::scram::judge;

pub fn trials() -> Vec<Trial> {
    vec![
        free("reauthentication::in_flight::at_a_broker", || {
            create_topic("reauthentication-kafka")?;
            rounds(&mut login(judge()?.sessions)?, "reauthentication-kafka")
        }),
        free("reauthentication::in_flight::in_plain_text_and_tls", at_front),
        free("reauthentication::in_flight::requests_without_an_answer", without_answers),
        free("reauthentication::in_flight::a_request_that_waits_at_the_broker", long_poll),
    ]
}

/// A topic whose leader serves: for a moment a broker tells of a leader that does not know yet that it is one.
fn create_topic(name: &str) -> Result<()> {
    judge()?.create_topic(name)?;
    let mut conn = Conn::open(judge()?.plaintext)?;
    let id = conn.call(12, &metadata(&[name]))?.topics[0].topic_id;
    wait_for("the leader to serve", Duration::from_secs(30), || {
        let seen = conn.call(17, &requests::fetch(id, 0, 0, -1))?;
        check_eq!(seen.responses[0].partitions[0].error_code, 0, "error of {name}");
        Ok(())
    })
}

fn login(at: SocketAddr) -> Result<Conn> {
    Conn::login(at, ALICE.0, ALICE.1)
}

/// Sends what begins and ends a re-authentication; gives the correlation ids.
fn send_login(conn: &mut Conn) -> Result<(i32, i32)> {
    let shaken = conn.request(1, &requests::handshake("PLAIN"))?;
    Ok((shaken, conn.request(1, &requests::plain(ALICE.0, ALICE.1))?))
}

fn read_login(conn: &mut Conn, (shaken, authenticated): (i32, i32)) -> Result<()> {
    check_eq!(conn.answer::<SaslHandshakeRequest>(1, shaken)?.error_code, 0, "handshake");
    let reply = conn.answer::<SaslAuthenticateRequest>(1, authenticated)?;
    check_eq!(reply.error_code, 0, "authenticated anew: {:?}", reply.error_message);
    check_eq!(reply.session_lifetime_ms as u64, SESSIONS.0, "lifetime");
    Ok(())
}

/// Five times: Produce and Fetch requests of megabytes, a re-authentication and more requests, all sent before anything is read.
fn rounds(conn: &mut Conn, topic: &str) -> Result<()> {
    const BATCH: usize = 700 << 10;
    let id = conn.call(12, &metadata(&[topic]))?.topics[0].topic_id;
    for round in 1..=5 {
        let value = vec![b'0' + round as u8; BATCH];
        let produce = requests::produce(topic, 0, 1, batch(&[&value]).into());
        let produced: Vec<i32> = (0..4).map(|_| conn.request(9, &produce)).collect::<Result<_>>()?;
        let login = send_login(conn)?;
        let fetch = requests::fetch(id, 0, 4 * (round - 1), -1);
        let fetched = [conn.request(17, &fetch)?, conn.request(17, &fetch)?];
        let after = conn.request(12, &metadata(&[topic]))?;
        for correlation in produced {
            let reply = conn.answer::<ProduceRequest>(9, correlation)?;
            check_eq!(reply.responses[0].partition_responses[0].error_code, 0, "produce in round {round}");
        }
        read_login(conn, login)?;
        for correlation in fetched {
            let reply = conn.answer::<FetchRequest>(17, correlation)?;
            let partition = &reply.responses[0].partitions[0];
            let records = partition.records.clone().unwrap_or_default();
            check_eq!((partition.error_code, partition.high_watermark), (0, 4 * round), "fetch in round {round}");
            let whole = records.iter().filter(|b| **b == value[0]).count();
            check!(whole >= 4 * BATCH, "{whole} bytes of round {round}");
        }
        check_eq!(conn.answer::<MetadataRequest>(12, after)?.brokers.len(), 1, "brokers");
        // The next re-authentication may begin a second after this one.
        std::thread::sleep(Duration::from_millis(1100));
    }
    Ok(())
}

fn at_front() -> Result<()> {
    let mut spec = spec()?;
    spec.set("listener.name.sasl_ssl.connections.max.reauth.ms", &SESSIONS.0.to_string());
    let endpoint = with_endpoint(&mut spec)?;
    let front = spec.start()?;
    let opened = || Ok::<_, String>(scrape(endpoint)?["doorkeeper_backend_connections_opened_total"]);
    let trust = tls::Client::trusting(&pki::get()?.ca)?;
    let secure = front.at("SASL_SSL");
    let mut conns = [
        ("reauthentication-plain", "SESSIONS", login(front.node_at("SESSIONS", 1))?),
        ("reauthentication-tls", "SASL_SSL", Conn::login_tls(secure, &trust, ALICE.0, ALICE.1)?),
    ];
    for (topic, listener, conn) in &mut conns {
        create_topic(topic)?;
        let before = opened()?;
        rounds(conn, topic).map_err(|e| format!("{listener}: {e}"))?;
        check_eq!(opened()? - before, 1.0, "connections to the broker for one client at {listener}");
        let sample = format!(
            "doorkeeper_reauthentications_total{{listener=\"{listener}\",mechanism=\"PLAIN\",outcome=\"success\"}}"
        );
        check_eq!(scrape(endpoint)?[&sample], 5.0, "re-authentications at {listener}");
    }
    Ok(())
}

/// Produce requests that want no answer stand before and behind a re-authentication.
fn without_answers() -> Result<()> {
    let topic = "reauthentication-acks-0";
    create_topic(topic)?;
    let front = super::front()?;
    let mut conn = login(front.node_at("SESSIONS", 1))?;
    let id = conn.call(12, &metadata(&[topic]))?.topics[0].topic_id;
    let produce = requests::produce(topic, 0, 0, batch(&[&[b'x'; 100_000]]).into());
    for _ in 0..20 {
        conn.request(9, &produce)?;
    }
    let again = send_login(&mut conn)?;
    for _ in 0..20 {
        conn.request(9, &produce)?;
    }
    read_login(&mut conn, again)?;
    wait_for("all records", Duration::from_secs(20), || {
        let seen = conn.call(17, &requests::fetch(id, 0, 0, -1))?;
        check_eq!(seen.responses[0].partitions[0].high_watermark, 40, "records");
        Ok(())
    })
}

/// A Fetch that the broker holds back for two seconds is answered before the handshake is.
fn long_poll() -> Result<()> {
    let topic = "reauthentication-poll";
    create_topic(topic)?;
    for at in [judge()?.sessions, super::front()?.node_at("SESSIONS", 1)] {
        let mut conn = login(at)?;
        let id = conn.call(12, &metadata(&[topic]))?.topics[0].topic_id;
        let waits = requests::fetch(id, 0, 0, -1).with_max_wait_ms(2000);
        let fetched = conn.request(17, &waits)?;
        let again = send_login(&mut conn)?;
        check_eq!(conn.answer::<FetchRequest>(17, fetched)?.error_code, 0, "fetch");
        read_login(&mut conn, again)?;
    }
    Ok(())
}
