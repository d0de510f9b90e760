//! Hostile records inside of TLS (H-101 to H-104): after a handshake that was good, records that are empty, forged, replayed, cut
//! off, of kinds that do not belong there. Each row on a connection of its own, in TLS 1.2 and 1.3, at a broker and at doorkeeper.

use std::net::{Shutdown, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::cluster::Tls;
use proto_tests::hostile::frames;
use proto_tests::pki;
use proto_tests::wire::bytes::{cat, framed, hdr1};
use proto_tests::wire::sealed::{ALERT, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE, Sealed, Seen};
use proto_tests::wire::tls::{Client, Version};
use proto_tests::{Context, Result, check, check_eq, progress};

use super::{front, name};
use crate::steady;

const UNEXPECTED_MESSAGE: u8 = 10;
const BAD_RECORD_MAC: u8 = 20;
const RECORD_OVERFLOW: u8 = 22;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;

/// What has to come of a row.
#[derive(Clone, Copy)]
enum Want {
    /// So many answers, and the connection is as good as before.
    Answers(usize),
    /// No answer; one of these alerts, and the end.
    Alert(&'static [u8]),
    /// No answer, and the end, with an alert or without.
    End,
    /// At most so many answers, and the end.
    EndAfter(usize),
}

use Version::{Tls12, Tls13};
use Want::{Alert, Answers, End, EndAfter};

type Script = Box<dyn Fn(&mut Sealed) -> Result<()> + Send + Sync>;

struct Row {
    what: String,
    versions: &'static [Version],
    script: Script,
    front: Want,
    /// None: not shown to a broker. Handshake messages behind the handshake keep one of its network threads busy for ever (JDK
    /// 17.0.15), and floods only keep the machine busy.
    kafka: Option<Want>,
}

const BOTH: &[Version] = &[Tls12, Tls13];
const OLD: &[Version] = &[Tls12];
const NEW: &[Version] = &[Tls13];

pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for version in [Tls12, Tls13] {
        all.push(steady(&format!("tls::records::kafka_{version:?}"), move |cluster| {
            judge(cluster.brokers[0].tls(Tls::None), version, |row| row.kafka)
        }));
        all.push(steady(&format!("tls::records::front_{version:?}"), move |cluster| {
            let front = front(cluster)?;
            let before = front.process.cpu()?;
            judge(front.at(name(Tls::None)), version, |row| Some(row.front))?;
            check!(!front.process.output().contains("panicked at"), "a thread of doorkeeper panicked");
            let spent = front.process.cpu()? - before;
            progress(format!("the rows of {version:?} cost doorkeeper {spent:?} of CPU"));
            // The floods are hundreds of thousands of records; a debug build on a busy machine is still far below this.
            check!(spent < Duration::from_secs(20), "the rows cost {spent:?} of CPU");
            Ok(())
        }));
    }
    all
}

fn judge(to: SocketAddr, version: Version, want: impl Fn(&Row) -> Option<Want> + Sync) -> Result<()> {
    let client = Client::only(&pki::get()?.ca, version)?;
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.versions.contains(&version)).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(want) = want(row)
                        && let Err(why) = run(row, to, &client, want)
                    {
                        wrong.lock().expect("no holder panics").push(format!("{}: {why}", row.what));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no holder panics");
    check!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And it still serves.
    let good = Row { what: String::new(), versions: BOTH, script: data(vec![ask()]), front: Answers(1), kafka: None };
    run(&good, to, &client, Answers(1))
}

fn run(row: &Row, to: SocketAddr, client: &Client, want: Want) -> Result<()> {
    let mut conn = Sealed::open(to, client)?;
    (row.script)(&mut conn)?;
    let answers = |seen: &Seen| frames(&seen.data).map(|f| f.len());
    let limit = Duration::from_secs(20);
    let seen = conn.look(limit, |seen| matches!(want, Answers(n) if answers(seen).is_ok_and(|have| have >= n)))?;
    let got = answers(&seen)?;
    check!(!seen.garbled || matches!(want, End | EndAfter(_)), "a record that can't be opened: {seen:?}");
    match want {
        Answers(n) => {
            check_eq!((got, &seen.alerts[..], seen.closed), (n, &[][..], false), "answers, alerts, the end");
            // As good as before: one more.
            let more = conn.record(DATA, &ask())?;
            conn.send(&more);
            let seen = conn.look(limit, |seen| answers(seen).is_ok_and(|have| have >= 1))?;
            check_eq!((answers(&seen)?, seen.closed), (1, false), "an answer to one more");
        }
        Alert(codes) => {
            check!(seen.closed, "it is open; {seen:?}");
            check_eq!(got, 0, "answers");
            let last = seen.alerts.last();
            check!(last.is_some_and(|code| codes.contains(code)), "alerts {:?}, wanted {codes:?}", seen.alerts);
        }
        End | EndAfter(_) => {
            check!(seen.closed, "it is open; {seen:?}");
            let most = if let EndAfter(n) = want { n } else { 0 };
            check!(got <= most, "{got} answers");
        }
    }
    Ok(())
}

/// An ApiVersions request.
fn ask() -> Vec<u8> {
    framed(&hdr1(18, 0))
}

/// Each of these as the content of a record.
fn data(contents: Vec<Vec<u8>>) -> Script {
    Box::new(move |conn| {
        let records: Vec<Vec<u8>> = contents.iter().map(|c| conn.record(DATA, c)).collect::<Result<_>>()?;
        conn.send(&records.concat());
        Ok(())
    })
}

/// A record of that kind, then a request.
fn first(kind: u8, content: Vec<u8>) -> Script {
    Box::new(move |conn| {
        let records = [conn.record(kind, &content)?, conn.record(DATA, &ask())?].concat();
        conn.send(&records);
        Ok(())
    })
}

/// A request whose record is changed on its way.
fn changed(change: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Script {
    Box::new(move |conn| {
        let mut record = conn.record(DATA, &ask())?;
        change(&mut record);
        conn.send(&record);
        Ok(())
    })
}

/// The same bytes again and again, in large writes, until the peer has enough.
fn flood(times: usize, make: impl Fn(&mut Sealed) -> Result<Vec<u8>> + Send + Sync + 'static) -> Script {
    Box::new(move |conn| {
        let mut batch = Vec::new();
        for _ in 0..times {
            batch.extend(make(conn)?);
            if batch.len() > 256 << 10 {
                conn.send(&batch);
                batch.clear();
            }
        }
        batch.extend(conn.record(DATA, &ask())?);
        conn.send(&batch);
        Ok(())
    })
}

fn row(what: &str, versions: &'static [Version], script: Script, both: Want) -> Row {
    Row { what: what.into(), versions, script, front: both, kafka: Some(both) }
}

impl Row {
    fn not_kafka(self) -> Row {
        Row { kafka: None, ..self }
    }

    fn kafka(self, kafka: Want) -> Row {
        Row { kafka: Some(kafka), ..self }
    }
}

fn rows() -> Vec<Row> {
    [honest(), forged(), misplaced(), floods(), cut()].into_iter().flatten().collect()
}

fn honest() -> Vec<Row> {
    let long = |size: usize| framed(&cat(&[&hdr1(18, 0), &vec![0; size - 4 - hdr1(18, 0).len()]]));
    vec![
        row("a request", BOTH, data(vec![ask()]), Answers(1)),
        row("in records of one byte", BOTH, data(ask().iter().map(|b| vec![*b]).collect()), Answers(1)),
        row("three in one record", BOTH, data(vec![ask().repeat(3)]), Answers(3)),
        row(
            "three, cut in odd places",
            BOTH,
            data(ask().repeat(3).chunks(7).map(<[u8]>::to_vec).collect()),
            Answers(3),
        ),
        // Allowed in both versions (RFC 8446, 5.1); the JDK's TLS 1.3 takes such a record for a forged one.
        row("an empty record before it", BOTH, data(vec![vec![], ask()]), Answers(1)).not_kafka(),
        row("an empty record inside", BOTH, data(vec![ask()[..6].to_vec(), vec![], ask()[6..].to_vec()]), Answers(1))
            .not_kafka(),
        row("a record as long as it may be", BOTH, data(vec![long(1 << 14)]), Answers(1)),
        row(
            "a long one in two records",
            BOTH,
            data(long(20_000).chunks(1 << 14).map(<[u8]>::to_vec).collect()),
            Answers(1),
        ),
        row(
            "padding",
            NEW,
            Box::new(|conn| {
                let record = conn.padded(DATA, &ask(), 5000)?;
                conn.send(&record);
                Ok(())
            }),
            Answers(1),
        ),
        row(
            "byte by byte",
            BOTH,
            Box::new(|conn| {
                conn.record(DATA, &ask())?.iter().for_each(|b| conn.send(&[*b]));
                Ok(())
            }),
            Answers(1),
        ),
        row(
            "a KeyUpdate",
            NEW,
            Box::new(|conn| {
                let records = [conn.key_update(false)?, conn.record(DATA, &ask())?].concat();
                conn.send(&records);
                Ok(())
            }),
            Answers(1),
        ),
        row(
            "a KeyUpdate that asks for one",
            NEW,
            Box::new(|conn| {
                let records = [conn.key_update(true)?, conn.record(DATA, &ask())?].concat();
                conn.send(&records);
                Ok(())
            }),
            Answers(1),
        ),
        row(
            "a KeyUpdate inside of a request",
            NEW,
            Box::new(|conn| {
                let (head, tail) = (ask()[..6].to_vec(), ask()[6..].to_vec());
                let records = [conn.record(DATA, &head)?, conn.key_update(true)?, conn.record(DATA, &tail)?].concat();
                conn.send(&records);
                Ok(())
            }),
            Answers(1),
        ),
        row(
            "five KeyUpdates with requests between",
            NEW,
            Box::new(|conn| {
                for _ in 0..5 {
                    let records = [conn.key_update(true)?, conn.record(DATA, &ask())?].concat();
                    conn.send(&records);
                }
                Ok(())
            }),
            Answers(5),
        ),
    ]
}

fn forged() -> Vec<Row> {
    const BROKEN: Want = Alert(&[BAD_RECORD_MAC]);
    let all = vec![
        row("a bit of the first byte", BOTH, changed(|r| r[5] ^= 1), BROKEN).kafka(End),
        row(
            "a bit in the middle",
            BOTH,
            changed(|r| {
                let at = r.len() / 2;
                r[at] ^= 0x10
            }),
            BROKEN,
        )
        .kafka(End),
        row(
            "a bit of the tag",
            BOTH,
            changed(|r| {
                let at = r.len() - 1;
                r[at] ^= 0x80
            }),
            BROKEN,
        )
        .kafka(End),
        row("another kind in the clear", OLD, changed(|r| r[0] = HANDSHAKE), BROKEN).kafka(End),
        row("another kind in the clear", NEW, changed(|r| r[0] = HANDSHAKE), End),
        row("an unknown kind in the clear", BOTH, changed(|r| r[0] = 99), End),
        row("a length that is too small", BOTH, changed(|r| r[4] -= 1), End),
        row(
            "no room for a tag",
            BOTH,
            changed(|r| {
                r[4] = 7;
                r.truncate(12)
            }),
            End,
        ),
        row(
            "nothing at all in a record",
            BOTH,
            changed(|r| {
                r[4] = 0;
                r.truncate(5)
            }),
            End,
        ),
        row(
            "65535 bytes announced",
            BOTH,
            changed(|r| {
                r[3] = 0xff;
                r[4] = 0xff;
                r.resize(5 + 65_535, 0)
            }),
            End,
        ),
        row(
            "a length just above the limit",
            NEW,
            changed(|r| {
                r[3] = 0x41;
                r[4] = 1;
                r.resize(5 + 0x4101, 0)
            }),
            Alert(&[RECORD_OVERFLOW]),
        )
        .kafka(End),
        row(
            "a length just above the limit",
            OLD,
            changed(|r| {
                r[3] = 0x48;
                r[4] = 1;
                r.resize(5 + 0x4801, 0)
            }),
            Alert(&[RECORD_OVERFLOW]),
        )
        .kafka(End),
        row("the same record twice", BOTH, changed(|r| r.extend_from_within(..)), EndAfter(1)),
        row(
            "two records the wrong way round",
            BOTH,
            Box::new(|conn| {
                let (a, b) = (conn.record(DATA, &ask())?, conn.record(DATA, &ask())?);
                conn.send(&[b, a].concat());
                Ok(())
            }),
            BROKEN,
        )
        .kafka(End),
        row(
            "one byte more than a record may hold",
            BOTH,
            data(vec![vec![0; (1 << 14) + 1]]),
            Alert(&[RECORD_OVERFLOW]),
        )
        .kafka(End),
        row(
            "nothing but padding",
            NEW,
            Box::new(|conn| {
                let record = conn.padded(0, &[], 100)?;
                conn.send(&record);
                Ok(())
            }),
            Alert(&[UNEXPECTED_MESSAGE]),
        )
        .kafka(End),
        row("plain text", BOTH, changed(|r| *r = cat(&[&[23, 3, 3, 0, ask().len() as u8], &ask()])), End),
        row("a Kafka request without TLS", BOTH, changed(|r| *r = ask()), End),
    ];
    all
}

fn misplaced() -> Vec<Row> {
    const UNEXPECTED: Want = Alert(&[UNEXPECTED_MESSAGE]);
    let hello = |kind: u8, length: u8| cat(&[&[kind, 0, 0, length], &vec![7; usize::from(length)]]);
    let mut all = vec![
        row("an unknown kind", BOTH, first(99, vec![1, 2, 3]), UNEXPECTED).kafka(End),
        row("a heartbeat", BOTH, first(24, vec![1, 0x40, 0]), UNEXPECTED).kafka(End),
        row("a fatal alert", BOTH, first(ALERT, vec![2, 40]), End),
        row("an alert of one byte", BOTH, first(ALERT, vec![2]), End),
        row("an empty alert", BOTH, first(ALERT, vec![]), End),
        row("close_notify, then a request", BOTH, first(ALERT, vec![1, 0]), End),
        row("an empty handshake record", NEW, first(HANDSHAKE, vec![]), End).not_kafka(),
        // RFC 8446, 5: a ChangeCipherSpec is let pass during the handshake only.
        row("ChangeCipherSpec in the clear", NEW, changed(|r| *r = cat(&[&[20, 3, 3, 0, 1, 1], r])), UNEXPECTED)
            .not_kafka(),
        row("ChangeCipherSpec", OLD, first(CHANGE_CIPHER_SPEC, vec![1]), End),
        row("ChangeCipherSpec under the tag", NEW, first(CHANGE_CIPHER_SPEC, vec![1]), UNEXPECTED).kafka(End),
        row("a KeyUpdate in TLS 1.2", OLD, first(HANDSHAKE, vec![24, 0, 0, 1, 0]), End).not_kafka(),
        row("a KeyUpdate of 2", NEW, first(HANDSHAKE, vec![24, 0, 0, 1, 2]), Alert(&[ILLEGAL_PARAMETER, DECODE_ERROR]))
            .not_kafka(),
        row("an empty KeyUpdate", NEW, first(HANDSHAKE, vec![24, 0, 0, 0]), Alert(&[DECODE_ERROR])).not_kafka(),
        row("a KeyUpdate of two bytes", NEW, first(HANDSHAKE, vec![24, 0, 0, 2, 0, 0]), Alert(&[DECODE_ERROR]))
            .not_kafka(),
        // RFC 8446, 5.1: what changes the keys ends its record.
        row("two KeyUpdates in one record", NEW, first(HANDSHAKE, [24, 0, 0, 1, 0].repeat(2)), UNEXPECTED).not_kafka(),
        row("half a KeyUpdate, then data", NEW, first(HANDSHAKE, vec![24, 0, 0]), UNEXPECTED).not_kafka(),
        row("a handshake message of 16 MiB announced", BOTH, first(HANDSHAKE, vec![24, 0xff, 0xff, 0xff]), End)
            .not_kafka(),
        row("HelloRequest from a client", OLD, first(HANDSHAKE, vec![0, 0, 0, 0]), End).not_kafka(),
        row("renegotiation", OLD, first(HANDSHAKE, hello(1, 60)), End).not_kafka(),
    ];
    for (what, kind) in [
        ("ClientHello", 1),
        ("NewSessionTicket", 4),
        ("EndOfEarlyData", 5),
        ("Certificate", 11),
        ("CertificateRequest", 13),
        ("Finished", 20),
    ] {
        let length = if kind == 5 { 0 } else { 60 };
        all.push(
            row(&format!("{what} after the handshake"), NEW, first(HANDSHAKE, hello(kind, length)), UNEXPECTED)
                .not_kafka(),
        );
    }
    all
}

fn floods() -> Vec<Row> {
    vec![
        row("H-101 100000 empty records", BOTH, flood(100_000, |conn| conn.record(DATA, &[])), EndAfter(1)).not_kafka(),
        row("H-101 10000 close_notify", BOTH, flood(10_000, |conn| conn.record(ALERT, &[1, 0])), End).not_kafka(),
        row("H-101 10000 warnings", BOTH, flood(10_000, |conn| conn.record(ALERT, &[1, 90])), EndAfter(1)).not_kafka(),
        row("H-101 20000 KeyUpdates", NEW, flood(20_000, |conn| conn.key_update(false)), EndAfter(1)).not_kafka(),
        row("H-101 20000 KeyUpdates that ask for one", NEW, flood(20_000, |conn| conn.key_update(true)), EndAfter(1))
            .not_kafka(),
        row("H-101 1000 HelloRequests", OLD, flood(1000, |conn| conn.record(HANDSHAKE, &[0, 0, 0, 0])), EndAfter(1))
            .not_kafka(),
        row("20000 records of one byte of one request", BOTH, long_bytewise(), Answers(1)).not_kafka(),
    ]
}

/// An honest slow sender is no flood: a request of 20,000 bytes, one in each record.
fn long_bytewise() -> Script {
    let long = framed(&cat(&[&hdr1(18, 0), &vec![0; 20_000]]));
    data(long.iter().map(|b| vec![*b]).collect())
}

fn cut() -> Vec<Row> {
    let ends = |make: fn(&mut Sealed) -> Result<Vec<u8>>| -> Script {
        Box::new(move |conn| {
            let bytes = make(conn)?;
            conn.send(&bytes);
            conn.stream.shutdown(Shutdown::Write).context("end the sending side")
        })
    };
    vec![
        row("H-104 FIN in the middle of a frame", BOTH, ends(|conn| conn.record(DATA, &ask()[..9])), End),
        row(
            "H-104 FIN in the middle of a record",
            BOTH,
            ends(|conn| Ok(conn.record(DATA, &ask())?[..20].to_vec())),
            End,
        ),
        row("H-104 FIN behind a request", BOTH, ends(|conn| conn.record(DATA, &ask())), EndAfter(1)),
        row("H-104 FIN at once", BOTH, ends(|_| Ok(Vec::new())), End),
        row(
            "H-104 close_notify in the middle of a frame",
            BOTH,
            ends(|conn| Ok([conn.record(DATA, &ask()[..9])?, conn.record(ALERT, &[1, 0])?].concat())),
            End,
        ),
    ]
}
