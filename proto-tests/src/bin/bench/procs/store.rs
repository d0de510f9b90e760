//! doorkeepers that keep credentials.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Places, Proc, free_ports, jaas, local};
use crate::{Res, USER};

/// A running doorkeeper with a store, and what it was started with.
pub struct StoreFront {
    pub proc: Proc,
    pub addr: SocketAddr,
    file: PathBuf,
}

/// The keys by which a SASL_PLAINTEXT listener takes both SCRAM mechanisms beside PLAIN.
pub(super) fn scram_keys() -> String {
    let key = "listener.name.sasl_plaintext";
    let mut keys = format!("{key}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n");
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        keys += &format!("{key}.{mechanism}.sasl.jaas.config={module}\n");
    }
    keys
}

impl Places {
    /// A doorkeeper with a new store of that name.
    pub fn start_store_front(&self, backend: SocketAddr, name: &str) -> Res<StoreFront> {
        let port = free_ports(33)?;
        let (file, store) =
            (self.work.join(format!("store-{name}.properties")), self.work.join(format!("store-{name}")));
        let _ = fs::remove_dir_all(&store);
        fs::write(
            &file,
            format!(
                "listeners=SASL_PLAINTEXT://127.0.0.1:{port}\n{scram}\
                 listener.name.sasl_plaintext.plain.sasl.jaas.config={jaas}\n\
                 backend.bootstrap.servers={backend}\nconnections.max.idle.ms=3600000\n\
                 store.dir={store}\nsuper.users=User:{admin}\n",
                scram = scram_keys(),
                jaas = jaas(),
                store = store.display(),
                admin = USER.0,
            ),
        )?;
        Ok(StoreFront { proc: self.serve(&file, port)?, addr: local(port), file })
    }

    /// The same again, with the store that it has left.
    pub fn restart_store_front(&self, front: &StoreFront) -> Res<Proc> {
        self.serve(&front.file, front.addr.port())
    }
}
