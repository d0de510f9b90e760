//! Load that counts what was acknowledged, and measures of a doorkeeper under it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::process::{self, Background};
use crate::programs::{client_properties, compile_at, file};
use crate::{Result, scratch};

/// An idempotent Java producer (acks=all) that sends numbers until it is told to stop, and then reads all of them back.
pub struct Load {
    process: Background,
    stop: PathBuf,
}

impl Load {
    pub fn start(cluster: &Cluster, name: &str, bootstrap: &str, topic: &str) -> Result<Load> {
        let text = format!("{}bootstrap.servers={bootstrap}\n", client_properties("alice", "alice-secret"));
        Self::with(cluster, name, &text, topic)
    }

    /// The same with these client properties.
    pub fn with(cluster: &Cluster, name: &str, properties: &str, topic: &str) -> Result<Load> {
        Self::of("Load", &cluster.home, name, properties, topic)
    }

    /// A producer and a consumer at the same time. The verdict also says how many connections they made once they were warm:
    /// `sent S acknowledged A read R lost L doubled D errors E connections C end`.
    pub fn both(home: &Path, name: &str, properties: &str, topic: &str) -> Result<Load> {
        Self::of("Both", home, name, properties, topic)
    }

    fn of(program: &str, home: &Path, name: &str, properties: &str, topic: &str) -> Result<Load> {
        let classes = compile_at(home)?;
        let dir = scratch::dir(&format!("load-{name}"));
        let stop = dir.join("stop");
        let properties = file(&format!("load-{name}.properties"), properties)?;
        let mut command = process::command("java");
        command
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx256m", "-cp"])
            .arg(format!("{}:{}/libs/*", classes.display(), home.display()))
            .arg(format!("-Dlog4j2.configurationFile={}/config/tools-log4j2.yaml", home.display()))
            .arg(program)
            .arg(&properties)
            .arg(topic)
            .arg(&stop);
        Ok(Load { process: Background::start("the load", command, &dir.join("log"))?, stop })
    }

    /// Waits until that many more records than now are acknowledged.
    pub fn wait_more(&mut self, records: u64) -> Result<()> {
        let goal = self.acknowledged() + records;
        crate::wait_for(&format!("{goal} acknowledged records"), Duration::from_secs(90), || {
            if let Some(status) = self.process.ended() {
                return Err(format!("the load ended with {status}:\n{}", process::tail(&self.process.output())));
            }
            let now = self.acknowledged();
            if now >= goal { Ok(()) } else { Err(format!("{now}")) }
        })
    }

    fn acknowledged(&self) -> u64 {
        let said = self.process.output();
        said.lines().rev().find_map(|l| l.strip_prefix("acknowledged ")?.parse().ok()).unwrap_or(0)
    }

    /// Ends the load and gives its verdict: `sent S acknowledged A read R lost L doubled D errors E end`.
    pub fn finish(mut self) -> Result<String> {
        let _ = fs::write(&self.stop, "");
        self.process.wait_output(" end\n", Duration::from_secs(150))?;
        let said = self.process.output();
        Ok(said.lines().find_map(|l| l.strip_prefix("verdict ")).unwrap_or_default().to_owned())
    }
}
