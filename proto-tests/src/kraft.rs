//! A small broker of its own whose metadata can be looked at: it writes a snapshot every few records, and none of idleness.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::cluster::kafka_home;
use crate::process::{self, Background, Output};
use crate::wire::{Conn, requests};
use crate::{Context, Result, address, check_eq, progress, scratch, wait_for};

/// A real broker and controller in one, with one listener without authentication.
pub struct Kraft {
    pub home: PathBuf,
    pub plain: SocketAddr,
    dir: PathBuf,
    process: Background,
}

impl Kraft {
    /// Formats it with these values of `--add-scram`, starts it and waits until it serves.
    pub fn start(name: &str, n: u8, users: &[&str]) -> Result<Kraft> {
        progress("formatting and starting a broker with frequent snapshots");
        let home = kafka_home()?;
        let host = address::broker(n);
        let port = address::free_ports(host, 19_000 + u16::from(n) * 100, 2)?;
        let (plain, controller) = (SocketAddr::from((host, port)), SocketAddr::from((host, port + 1)));
        let dir = scratch::dir(name);
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://{plain},CONTROLLER://{controller}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers={controller}\nlog.dirs={}\n\
             metadata.log.max.record.bytes.between.snapshots=1500\nmetadata.max.idle.interval.ms=0\n\
             offsets.topic.replication.factor=1\nnum.network.threads=2\nnum.io.threads=2\nbackground.threads=1\n\
             log.cleaner.enable=false\n",
            dir.join("data").display(),
        );
        let file = dir.join("server.properties");
        fs::write(&file, text).context("write the broker's configuration")?;
        let mut format = process::command(home.join("bin/kafka-storage.sh"));
        format.args(["format", "-t", "kraft-of-proto-tests-A", "--standalone", "-c"]).arg(&file);
        format.args(users.iter().flat_map(|user| ["--add-scram", user]));
        process::run("kafka-storage", format, "", Duration::from_secs(120))?.ok().context("format a broker")?;
        let mut serve = process::command(home.join("bin/kafka-server-start.sh"));
        serve
            .arg(&file)
            .env("KAFKA_HEAP_OPTS", "-Xms64m -Xmx384m")
            .env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto");
        let process = Background::start("the broker with frequent snapshots", serve, &dir.join("broker.log"))?;
        let mut broker = Kraft { home, plain, dir, process };
        wait_for("the broker with frequent snapshots to serve", Duration::from_secs(120), || {
            if let Some(status) = broker.process.ended() {
                return Err(format!("it ended with {status}\n{}", process::tail(&broker.process.output())));
            }
            check_eq!(Conn::open(plain)?.call(12, &requests::metadata(&[]))?.brokers.len(), 1, "brokers");
            Ok(())
        })?;
        Ok(broker)
    }

    /// Its `log.dirs`.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Its own kafka-configs.sh, about users.
    pub fn configs(&self, args: &[&str]) -> Result<Output> {
        configs(&self.home, &self.plain.to_string(), args)
    }

    /// Ends it as an administrator would.
    pub fn shut_down(mut self) -> Result<PathBuf> {
        self.process.signal(Signal::TERM);
        self.process.wait(Duration::from_secs(120))?;
        Ok(self.data())
    }
}

/// Kafka's kafka-configs.sh, about users, at any server.
pub fn configs(home: &Path, bootstrap: &str, args: &[&str]) -> Result<Output> {
    let mut command = process::command(home.join("bin/kafka-configs.sh"));
    command.args(["--bootstrap-server", bootstrap, "--entity-type", "users"]).args(args);
    process::run("kafka-configs.sh", command, "", Duration::from_secs(90))
}
