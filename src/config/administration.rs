//! The store of credentials, and who may change what is in it.

use std::collections::HashSet;
use std::path::PathBuf;

use super::keys::{self, Key};
use super::reader::Reader;
use crate::principal::KafkaPrincipal;

/// `store.dir`, if it is set.
pub(super) fn store_dir(reader: &mut Reader<'_>) -> Option<PathBuf> {
    reader.find(&keys::STORE_DIR).filter(|found| !found.text().is_empty()).map(|found| found.text().into())
}

/// The principals of `super.users` and `admin.principals`.
pub(super) fn administrators(reader: &mut Reader<'_>) -> HashSet<KafkaPrincipal> {
    [&keys::SUPER_USERS, &keys::ADMIN_PRINCIPALS].into_iter().flat_map(|key| principals(reader, key)).collect()
}

/// `Type:name` separated by semicolons, because names of certificates have commas.
fn principals(reader: &mut Reader<'_>, key: &'static Key) -> Vec<KafkaPrincipal> {
    let Some(found) = reader.find(key) else { return Vec::new() };
    let mut principals = Vec::new();
    for text in found.text().split(';').map(str::trim).filter(|text| !text.is_empty()) {
        match text.split_once(':') {
            Some((KafkaPrincipal::USER_TYPE, name)) if !name.is_empty() => principals.push(KafkaPrincipal::user(name)),
            _ => {
                let shown = if found.setting.substituted { "[hidden]" } else { text };
                let problem = format!("'{shown}' is no principal; expected User:name, separated by semicolons");
                reader.error(&found, problem);
            }
        }
    }
    principals
}
