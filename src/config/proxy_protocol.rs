//! `proxy.protocol` and whom it is believed from.

use super::address_block::AddressBlock;
use super::keys;
use super::names::ListenerName;
use super::reader::Reader;
use super::types::ProxyProtocol;

/// The listener's settings; `None` where it is off, or where something was reported.
pub(super) fn read(reader: &mut Reader<'_>, name: &ListenerName) -> Option<ProxyProtocol> {
    let trusted = trusted_addresses(reader, name);
    let found = reader.find_for(name, &keys::PROXY_PROTOCOL)?;
    let mode = reader.choice(&keys::PROXY_PROTOCOL, &found)?;
    if mode == "off" {
        return None;
    }
    let trusted = trusted?;
    if trusted.is_empty() {
        let problem = format!(
            "{}={mode} believes the header of listed addresses only; set {}{} to the balancer's, such as 10.0.0.0/8",
            found.key,
            name.key_prefix(),
            keys::PROXY_PROTOCOL_TRUSTED_ADDRESSES.name
        );
        reader.error(&found, problem);
        return None;
    }
    Some(ProxyProtocol { required: mode == "required", trusted })
}

/// `None` only if something was reported.
fn trusted_addresses(reader: &mut Reader<'_>, name: &ListenerName) -> Option<Vec<AddressBlock>> {
    let Some(found) = reader.find_for(name, &keys::PROXY_PROTOCOL_TRUSTED_ADDRESSES) else { return Some(Vec::new()) };
    let mut trusted = Vec::new();
    let before = reader.errors.len();
    for element in found.list() {
        match element.parse() {
            Ok(block) => trusted.push(block),
            Err(expected) => {
                let shown = if found.setting.substituted { "[hidden]" } else { element };
                reader.error(&found, format!("Invalid value {shown} for configuration {}: {expected}", found.key));
            }
        }
    }
    (reader.errors.len() == before).then_some(trusted)
}
