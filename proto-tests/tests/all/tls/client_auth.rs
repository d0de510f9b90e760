//! Who may come: each value of `ssl.client.auth`, each version of TLS, each kind of certificate (H-097, H-099, A-66, A-68).

use libtest_mimic::Trial;
use proto_tests::cluster::{Cluster, Tls};
use proto_tests::pki::name::Name;
use proto_tests::pki::{self, Key, Leaf, Wish};
use proto_tests::wire::tls::{Client, Version};
use proto_tests::{Result, check, progress};

use super::{Visit, front, visit_front, visit_kafka};
use crate::steady;

/// A client, and what has to become of it where a certificate is looked at.
struct Row {
    what: &'static str,
    leaf: Option<Leaf>,
    served: bool,
    /// Doorkeeper does something else than Kafka.
    front_differs: bool,
}

pub fn trials() -> Vec<Trial> {
    vec![
        steady("tls::client_auth::kafka", |cluster| {
            judge("a broker", |listener, client| Ok(visit_kafka(cluster.brokers[0].tls(listener), client)), false)
        }),
        steady("tls::client_auth::front", |cluster: &Cluster| {
            let front = front(cluster)?;
            judge("doorkeeper", |listener, client| visit_front(front, listener, client), true)
        }),
    ]
}

fn judge(who: &str, visit: impl Fn(Tls, &Client) -> Result<Visit>, at_front: bool) -> Result<()> {
    let rows = rows()?;
    let mut wrong = Vec::new();
    for version in [Version::Tls12, Version::Tls13] {
        for row in &rows {
            let mut client = Client::only(&pki::get()?.ca, version)?;
            if let Some(leaf) = &row.leaf {
                client = client.showing(leaf)?;
            }
            for listener in [Tls::None, Tls::Requested, Tls::Required] {
                let good = row.served != (at_front && row.front_differs);
                // Where no certificate is asked for, none is shown, and the good ones have a name only where they are asked for.
                let want = match (listener, &row.leaf) {
                    (Tls::None, _) | (Tls::Requested, None) => Some("User:ANONYMOUS"),
                    (_, Some(_)) if good => Some("User:CN=alice,O=Example"),
                    _ => None,
                };
                let seen = visit(listener, &client)?;
                let right = match (&seen, want) {
                    (Visit::Served(name), Some(want)) => name == want,
                    // A refusal has an alert: the client is told. Java's server ends a chain that is too long without one.
                    (Visit::Refused(why), None) => why.contains("fatal alert") || !at_front,
                    _ => false,
                };
                if !right {
                    wrong.push(format!("{version:?} {listener:?} {}: {seen:?}, wanted {want:?}", row.what));
                }
            }
        }
    }
    progress(format!("{} clients came to {who}", rows.len() * 6));
    check!(wrong.is_empty(), "at {who}:\n{}", wrong.join("\n"));
    Ok(())
}

fn rows() -> Result<Vec<Row>> {
    let pki = pki::get()?;
    let alice = || Name::parse("CN=alice,O=Example");
    let wish = || Wish::client(alice());
    let by_ca = |wish: &Wish| pki.ca.leaf(wish, Key::ec()?);
    let row = |what, leaf: Leaf, served| Row { what, leaf: Some(leaf), served, front_differs: false };
    let mut long = pki.ca.below(&Wish::authority(Name::parse("CN=step 0")))?;
    for step in 1..50 {
        long = long.below(&Wish::authority(Name::parse(&format!("CN=step {step}"))))?;
    }
    let middle = pki.ca.below(&Wish::authority(Name::parse("CN=middle")))?;
    let no_authority = pki.ca.below(&Wish::client(Name::parse("CN=no authority")))?;
    Ok(vec![
        Row { what: "no certificate", leaf: None, served: false, front_differs: false },
        row("a good certificate", by_ca(&wish())?, true),
        row("an RSA certificate", pki.ca.leaf(&wish(), Key::rsa()?)?, true),
        row("one behind an authority in the middle", middle.leaf(&wish(), Key::ec()?)?, true),
        row("another authority's", pki.other.leaf(&wish(), Key::ec()?)?, false),
        row("expired", by_ca(&wish().expired())?, false),
        row("not yet valid", by_ca(&wish().not_yet_valid())?, false),
        row("for code signing", by_ca(&wish().wrong_usage())?, false),
        row("for servers", by_ca(&wish().server_usage())?, false),
        row("self-signed", pki::self_signed(&wish())?, false),
        row("behind fifty authorities", long.leaf(&wish(), Key::ec()?)?, false),
        row("signed by one who is no authority", no_authority.leaf(&wish(), Key::ec()?)?, false),
        // Java takes these two; the library that doorkeeper uses does not.
        Row { front_differs: true, ..row("an authority's own", by_ca(&wish().as_authority())?, true) },
        Row { front_differs: true, ..row("X.509 v1", by_ca(&wish().version1())?, true) },
    ])
}
