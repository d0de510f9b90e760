//! Quotas of users, clients and addresses: described and altered as kafka-configs does it. They belong to the Kafka cluster; a
//! doorkeeper relays the requests.

use super::client::{Api, Client};
use super::command::{CLIENTS, Entities, IPS, USERS};
use super::failure::Failure;
use super::grammar::Additions;
use super::{java, kafka_error};
use crate::wire::ErrorCode;
use crate::wire::client_quotas::{
    ALTER_CLIENT_QUOTAS, AlterRequest, AlterResponse, DESCRIBE_CLIENT_QUOTAS, DescribeRequest, DescribeResponse,
    Entity, Match, VERSION,
};

const DESCRIBE: Api = Api { key: DESCRIBE_CLIENT_QUOTAS, version: VERSION, name: "DESCRIBE_CLIENT_QUOTAS" };
const ALTER: Api = Api { key: ALTER_CLIENT_QUOTAS, version: VERSION, name: "ALTER_CLIENT_QUOTAS" };

/// Whether a config of a user or a client is a quota.
pub(super) fn is_quota(name: &str) -> bool {
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"].contains(&name)
}

/// Whether a config of an address is one.
pub(super) fn is_ip_quota(name: &str) -> bool {
    name == "connection_creation_rate"
}

fn kafka_type(entity_type: &str) -> &'static str {
    match entity_type {
        USERS => "user",
        CLIENTS => "client-id",
        _ => {
            debug_assert_eq!(entity_type, IPS);
            "ip"
        }
    }
}

/// The quotas of all entities of exactly these types, in the order in which Kafka's tool prints them.
async fn ask(client: &mut Client, entities: &Entities) -> Result<Vec<(Entity, Vec<(String, f64)>)>, Failure> {
    if entities.names.len() > entities.types.len() {
        return Err(Failure::said("More entity names specified than entity types"));
    }
    let mut components = Vec::new();
    for (n, entity_type) in entities.types.iter().enumerate() {
        let matched = match entities.names.get(n) {
            None => Match::Any,
            Some(name) if name.is_empty() => Match::Default,
            Some(name) => Match::Exact(name.clone()),
        };
        components.push((kafka_type(entity_type).to_owned(), matched));
    }
    let request = DescribeRequest { components };
    let put = |out: &mut _, id, client_id: &str| request.put(out, id, client_id);
    let response = client.call(DESCRIBE, put, DescribeResponse::decode).await?;
    if response.error != ErrorCode::NONE {
        return Err(kafka_error::failure(response.error, response.error_message.as_deref()));
    }
    let values = |values| java::map_order(values, |(key, _): &(String, f64)| java::string_hash(key));
    let entries = response.entries.into_iter().map(|(entity, quotas)| (entity, values(quotas))).collect();
    Ok(java::map_order(entries, |(entity, _)| entity_hash(entity)))
}

/// `ClientQuotaEntity.hashCode`.
fn entity_hash(entity: &Entity) -> i32 {
    let hash = |text: &str| java::string_hash(text);
    let sum = entity.iter().map(|(kind, name)| hash(kind) ^ name.as_deref().map_or(0, hash));
    sum.fold(31i32, i32::wrapping_add)
}

/// The lines of `--describe`.
pub(super) async fn describe(client: &mut Client, entities: &Entities) -> Result<String, Failure> {
    let mut lines = String::new();
    for (entity, quotas) in ask(client, entities).await? {
        let part = |kind: &str, shown: &str| {
            let (_, name) = entity.iter().find(|(found, _)| found == kind)?;
            Some(match name.as_deref() {
                None | Some("") => format!("the default {shown}"),
                Some(name) => format!("{shown} '{name}'"),
            })
        };
        let parts = [part("user", "user-principal"), part("client-id", "client-id"), part("ip", "ip")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let quotas: Vec<String> =
            quotas.iter().map(|(key, value)| format!("{key}={}", java::double_text(*value))).collect();
        lines += &format!("Quota configs for {} are {}\n", parts.join(", "), quotas.join(", "));
    }
    Ok(lines)
}

/// Sets and removes quotas of one entity.
pub(super) async fn alter(
    client: &mut Client,
    entities: &Entities,
    add: &Additions,
    delete: &[String],
) -> Result<(), Failure> {
    let old = ask(client, entities).await?;
    let has = |name: &String| old.first().is_some_and(|(_, quotas)| quotas.iter().any(|(key, _)| key == name));
    let invalid: Vec<&str> = delete.iter().filter(|name| !has(name)).map(String::as_str).collect();
    if !invalid.is_empty() {
        return Err(Failure::said(format!("Invalid config(s): {}", invalid.join(","))));
    }
    let named = entities.types.iter().zip(&entities.names);
    let entity = named
        .map(|(kind, name)| (kafka_type(kind).to_owned(), Some(name.clone()).filter(|name| !name.is_empty())))
        .collect();
    let mut operations = Vec::new();
    for (name, value) in add.iter() {
        let number = java::parse_double(value)
            .ok_or_else(|| Failure::said(format!("Cannot parse quota configuration value for {name}: {value}")))?;
        operations.push((name.to_owned(), Some(number)));
    }
    operations.extend(delete.iter().map(|name| (name.clone(), None)));
    let request = AlterRequest { entity, operations };
    let put = |out: &mut _, id, client_id: &str| request.put(out, id, client_id);
    let response = client.call(ALTER, put, AlterResponse::decode).await?;
    match response.results.into_iter().find(|(error, _)| *error != ErrorCode::NONE) {
        Some((error, message)) => Err(kafka_error::failure(error, message.as_deref())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the order of Kafka's own tool, seen from 4.3.1.
    #[test]
    fn entities_come_in_the_order_of_javas_map() {
        let entity = |user: Option<&str>, client: Option<&str>| -> Entity {
            vec![("user".into(), user.map(str::to_owned)), ("client-id".into(), client.map(str::to_owned))]
        };
        let want = [
            entity(None, Some("c")),
            entity(Some("alice"), Some("c")),
            entity(Some("bob"), Some("c")),
            entity(None, None),
        ];
        let given = want.to_vec();
        assert_eq!(java::map_order(given, entity_hash), want);
    }
}
