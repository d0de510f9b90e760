//! Kafka's own command line tools, with only `--bootstrap-server` and `--command-config` pointed at doorkeeper.

use std::path::PathBuf;

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::process::Output;
use proto_tests::programs::{client_properties, file, tool};
use proto_tests::{Result, check, check_eq};

use crate::shared_front::{self, SharedFront};

pub fn trials() -> Vec<Trial> {
    vec![
        shared_front::trial("tools::topics_configs_offsets", |cluster, shared| {
            let t = Tools::new(cluster, shared)?;
            let topic = "tools-topics";
            t.says(
                "kafka-topics.sh",
                &["--create", "--topic", topic, "--partitions", "3", "--replication-factor", "3"],
                "Created topic tools-topics.",
            )?;
            t.says("kafka-topics.sh", &["--list"], topic)?;
            let seen = t.run("kafka-topics.sh", &["--describe", "--topic", topic])?;
            check!(seen.contains("PartitionCount: 3") && seen.contains("ReplicationFactor: 3"), "{seen}");
            t.says(
                "kafka-configs.sh",
                &["--alter", "--topic", topic, "--add-config", "retention.ms=7654321"],
                "Completed updating config for topic tools-topics.",
            )?;
            t.says("kafka-configs.sh", &["--describe", "--topic", topic], "retention.ms=7654321")?;
            let broker = t.run("kafka-configs.sh", &["--describe", "--broker", "2", "--all"])?;
            check!(broker.contains("broker.rack=rack-2"), "{broker}");
            t.feed("kafka-console-producer.sh", &["--topic", topic], "one\ntwo\nthree\n")?;
            let offsets = t.run("kafka-get-offsets.sh", &["--topic", topic])?;
            let sum: u32 = offsets.lines().filter_map(|l| l.rsplit(':').next()?.parse::<u32>().ok()).sum();
            check_eq!(sum, 3, "records by kafka-get-offsets:\n{offsets}");
            t.run("kafka-topics.sh", &["--delete", "--topic", topic])?;
            Ok(())
        }),
        shared_front::trial("tools::console_clients_and_groups", |cluster, shared| {
            let t = Tools::new(cluster, shared)?;
            let (topic, group) = ("tools-console", "tools-group");
            cluster.create_topic(topic, &[&[1, 2, 3], &[2, 3, 1]], &[])?;
            let lines: Vec<String> = (0..100).map(|i| format!("line {i}")).collect();
            t.feed("kafka-console-producer.sh", &["--topic", topic], &(lines.join("\n") + "\n"))?;
            let seen = t.run(
                "kafka-console-consumer.sh",
                &[
                    "--topic",
                    topic,
                    "--from-beginning",
                    "--max-messages",
                    "100",
                    "--timeout-ms",
                    "30000",
                    "--group",
                    group,
                ],
            )?;
            let mut got: Vec<&str> = seen.lines().collect();
            let mut want: Vec<&str> = lines.iter().map(String::as_str).collect();
            got.sort();
            want.sort();
            check_eq!(got, want, "what the console consumer read");
            t.says("kafka-consumer-groups.sh", &["--list"], group)?;
            let state = t.run("kafka-consumer-groups.sh", &["--describe", "--group", group])?;
            // How the producer spreads a hundred lines over two partitions is its own business.
            let column = |n: usize| -> Vec<u32> {
                let rows = state.lines().filter(|l| l.starts_with(group));
                rows.filter_map(|l| l.split_whitespace().nth(n)?.parse().ok()).collect()
            };
            check_eq!(column(3).iter().sum::<u32>(), 100, "committed offsets of the group:\n{state}");
            check!(column(5).iter().all(|lag| *lag == 0) && !column(5).is_empty(), "lag of the group:\n{state}");
            let reset = ["--reset-offsets", "--to-earliest", "--execute", "--group", group, "--topic", topic];
            t.run("kafka-consumer-groups.sh", &reset)?;
            let state = t.run("kafka-consumer-groups.sh", &["--describe", "--group", group])?;
            let lag: u32 = state
                .lines()
                .filter(|l| l.starts_with(group))
                .filter_map(|l| l.split_whitespace().nth(5)?.parse::<u32>().ok())
                .sum();
            check_eq!(lag, 100, "lag of the group after the reset:\n{state}");
            t.says("kafka-consumer-groups.sh", &["--delete", "--group", group], "was successful")?;
            Ok(())
        }),
        shared_front::trial("tools::the_others", |cluster, shared| {
            let t = Tools::new(cluster, shared)?;
            let node = shared.node(2).to_string();
            t.says("kafka-broker-api-versions.sh", &[], &node)?;
            t.says("kafka-metadata-quorum.sh", &["describe", "--status"], "LeaderId:")?;
            t.says("kafka-metadata-quorum.sh", &["describe", "--replication"], "Leader")?;
            t.says("kafka-features.sh", &["describe"], "metadata.version")?;
            t.says("kafka-log-dirs.sh", &["--describe", "--broker-list", "1,2"], "\"version\":1")?;
            t.says("kafka-transactions.sh", &["list"], "TransactionalId")?;
            t.says("kafka-groups.sh", &["--list"], "GROUP")?;
            t.says("kafka-cluster.sh", &["cluster-id"], "Cluster ID: proto-tests-cluster--A")?;
            let refused = t.raw("kafka-acls.sh", &["--list"], "")?;
            check!(
                format!("{}{}", refused.stdout, refused.stderr).contains("No Authorizer is configured"),
                "{refused:?}"
            );
            Ok(())
        }),
        shared_front::trial("tools::wrong_password", |cluster, shared| {
            let mut t = Tools::new(cluster, shared)?;
            t.properties = file("wrong.properties", &client_properties("alice", "wrong-pass-canary"))?;
            let said = t.raw("kafka-topics.sh", &["--list"], "")?;
            let text = format!("{}{}", said.stdout, said.stderr);
            let want = "SaslAuthenticationException: Authentication failed: Invalid username or password";
            check!(text.contains(want), "kafka-topics says {text}");
            check_eq!(said.code, Some(1), "exit code of kafka-topics");
            Ok(())
        }),
    ]
}

struct Tools<'a> {
    cluster: &'a Cluster,
    bootstrap: String,
    properties: PathBuf,
}

impl<'a> Tools<'a> {
    fn new(cluster: &'a Cluster, shared: &SharedFront) -> Result<Self> {
        let properties = file("alice.properties", &client_properties("alice", "alice-secret"))?;
        Ok(Tools { cluster, bootstrap: shared.bootstrap().to_string(), properties })
    }

    fn raw(&self, name: &str, args: &[&str], input: &str) -> Result<Output> {
        tool(self.cluster, name, &self.bootstrap, &self.properties, args, input)
    }

    fn feed(&self, name: &str, args: &[&str], input: &str) -> Result<String> {
        self.raw(name, args, input)?.ok().map_err(|e| format!("{name} {args:?}: {e}"))
    }

    fn run(&self, name: &str, args: &[&str]) -> Result<String> {
        self.feed(name, args, "")
    }

    fn says(&self, name: &str, args: &[&str], text: &str) -> Result<()> {
        let said = self.run(name, args)?;
        check!(said.contains(text), "{name} {args:?} does not say {text:?} but\n{said}");
        Ok(())
    }
}
