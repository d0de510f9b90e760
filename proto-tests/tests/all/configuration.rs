//! Kafka's configuration as a person has it: static JAAS file, config providers, overrides, limits, a broker's own file.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::cluster::Tls;
use proto_tests::front::{Spec, check_file};
use proto_tests::programs::file;
use proto_tests::standin::Standin;
use proto_tests::wire::requests::metadata;
use proto_tests::wire::{Conn, End};
use proto_tests::{Result, check, check_eq, wait_for};

use crate::{free, steady};

const JAAS_KEY: &str = "listener.name.sasl_plaintext.plain.sasl.jaas.config";

pub fn trials() -> Vec<Trial> {
    vec![
        free("configuration::static_jaas_file_by_kafka_opts", || {
            let jaas = file(
                "static.jaas",
                "// as a broker has it\nKafkaServer {\n  org.apache.kafka.common.security.plain.PlainLoginModule required\n  \
                 user_carol=\"carol-secret\";\n};\n",
            )?;
            let front = standin_spec()?
                .unset(JAAS_KEY)
                .env("KAFKA_OPTS", &format!("-Xmx1g -Djava.security.auth.login.config={}", jaas.display()))
                .start()?;
            Conn::login(front.sasl(), "carol", "carol-secret")?;
            check!(Conn::login(front.sasl(), "alice", "alice-secret").is_err(), "a user that the file does not have");
            Ok(())
        }),
        free("configuration::file_provider", || {
            let secrets = file("secrets.properties", "carol=carol-secret\n")?;
            let jaas = format!(
                "org.apache.kafka.common.security.plain.PlainLoginModule required user_carol=\"${{file:{}:carol}}\";",
                secrets.display()
            );
            let front = standin_spec()?
                .set("config.providers", "file")
                .set("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider")
                .set(JAAS_KEY, &jaas)
                .start()?;
            Conn::login(front.sasl(), "carol", "carol-secret")?;
            Ok(())
        }),
        free("configuration::connections_per_address", || {
            let front = standin_spec()?.set("max.connections.per.ip", "5").start()?;
            let mut held: Vec<Conn> =
                (0..5).map(|_| Conn::login(front.sasl(), "alice", "alice-secret")).collect::<Result<_>>()?;
            let seen = Conn::open(front.sasl())?.outcome(Duration::from_secs(10));
            check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "the sixth connection");
            check_eq!(held[4].call(12, &metadata(&[]))?.brokers.len(), 1, "brokers for the fifth");
            held.pop();
            wait_for("a place for another", Duration::from_secs(10), || {
                Conn::login(front.sasl(), "alice", "alice-secret").map(drop)
            })?;
            Ok(())
        }),
        free("configuration::idle_connections_are_closed", || {
            let front = standin_spec()?.set("connections.max.idle.ms", "2000").start()?;
            let mut idle = Conn::login(front.sasl(), "alice", "alice-secret")?;
            let mut busy = Conn::login(front.sasl(), "alice", "alice-secret")?;
            let seen = std::thread::scope(|scope| {
                let idle = scope.spawn(|| idle.outcome(Duration::from_secs(20)));
                while !idle.is_finished() {
                    busy.call(12, &metadata(&[]))?;
                    std::thread::sleep(Duration::from_millis(200));
                }
                idle.join().map_err(|_| "it panicked".to_owned())
            })?;
            check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "the idle connection");
            check!(seen.after >= Duration::from_millis(1800), "the idle connection was closed after {:?}", seen.after);
            check_eq!(busy.call(12, &metadata(&[]))?.brokers.len(), 1, "brokers for the busy one");
            Ok(())
        }),
        free("configuration::no_secret_at_the_finest_level", || {
            let front = standin_spec()?.env("DOORKEEPER_LOG", "trace").start()?;
            Conn::login(front.sasl(), "alice", "alice-secret")?.call(12, &metadata(&[]))?;
            check!(Conn::login(front.sasl(), "alice", "wrong-pass-canary").is_err(), "a wrong password");
            check!(Conn::login(front.sasl(), "canary-user\u{202e}", "wrong-pass-canary").is_err(), "an unknown user");
            wait_for("three closed connections", Duration::from_secs(10), || {
                let closed = front.log()?.iter().filter(|l| l["message"] == "connection closed").count();
                if closed >= 3 { Ok(()) } else { Err(format!("{closed}")) }
            })?;
            let output = front.process.output();
            for secret in ["alice-secret", "bob-secret", "front-secret", "wrong-pass-canary"] {
                check!(!output.contains(secret), "the log holds {secret}");
            }
            let finest = output.contains("\"level\":\"TRACE\"");
            check!(finest, "nothing at the level TRACE: this looked at too little");
            Ok(())
        }),
        free("configuration::log_for_people", || {
            let mut front = standin_spec()?.env("DOORKEEPER_LOG_FORMAT", "human").launch()?;
            front.process.wait_output(" ready", Duration::from_secs(20))?;
            check!(!front.process.output().contains("{\"timestamp\""), "JSON in a log for people");
            Ok(())
        }),
        free("configuration::request_limit_to_the_byte", || {
            let front = standin_spec()?.set("socket.request.max.bytes", "1000").start()?;
            let mut conn = Conn::login(front.sasl(), "alice", "alice-secret")?;
            // Metadata v1 for no topic, and bytes behind it that Kafka ignores.
            let frame = |size: usize| {
                let mut body = proto_tests::wire::bytes::hdr1(3, 1);
                body.resize(size, 0);
                proto_tests::wire::bytes::framed(&body)
            };
            conn.send(&frame(1000))?;
            conn.frame()?;
            conn.send(&frame(1001))?;
            let seen = conn.outcome(Duration::from_secs(10));
            check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "a frame of one byte too many");
            Ok(())
        }),
        steady("configuration::a_brokers_own_file", |cluster| {
            let own = std::fs::read_to_string(cluster.broker(1).file()).map_err(|e| e.to_string())?;
            // Its listeners, with TLS and without, are neighbours: the nodes' ports need a place of their own, and the message says so.
            let backend = "backend.bootstrap.servers=127.0.0.1:9\n";
            let (_, said) = check_file("crowded.properties", &format!("{own}{backend}"))?;
            check!(said.code != Some(0) && said.stderr.contains("listener.name.plain.node.port.base"), "{said:?}");
            let names = ["plain", "sasl"].into_iter().chain(Tls::ALL.map(Tls::name));
            let place = |(i, name): (usize, &str)| {
                format!("listener.name.{}.node.port.base={}\n", name.to_lowercase(), 30_000 + 100 * i)
            };
            let places: String = names.enumerate().map(place).collect();
            let (_, said) = check_file("broker.properties", &format!("{own}{backend}{places}"))?;
            check_eq!(said.code, Some(0), "exit code: {said:?}");
            let text = format!("{}{}", said.stdout, said.stderr);
            for key in ["process.roles", "log.dirs", "controller.quorum.bootstrap.servers"] {
                check!(text.contains(key), "no word about {key}: {text}");
            }
            Ok(())
        }),
    ]
}

fn standin_spec() -> Result<Spec> {
    let standin = Standin::start(Standin::reserve()?)?;
    Spec::new(&standin.at.to_string())
}
