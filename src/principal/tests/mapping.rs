//! `ssl.principal.mapping.rules` against Kafka's `SslPrincipalMapper`.

use super::*;

/// Rules, a name, Kafka's answer, and ours where it is another. An answer with `!` is a refusal: `!start` of the rules, else of
/// the name.
const FILE: &str = include_str!("rules.txt");

fn ours(rules: &str, name: &str) -> String {
    match MappingRules::parse(rules) {
        Err(problem) => format!("!start {}", percent(&problem)),
        Ok(rules) => match rules.apply(name) {
            Ok((mapped, _)) => percent(&mapped),
            Err(MappingError::NoRule) => "!NoMatchingRule".into(),
            Err(error) => format!("!{error:?}"),
        },
    }
}

#[test]
fn each_rule_does_what_kafkas_does() {
    let rows = rows(FILE);
    assert!(rows.len() >= 150, "{}", rows.len());
    for row in rows {
        let expected = if row[3].is_empty() { row[2] } else { row[3] };
        assert_eq!(ours(&unpercent(row[0]), &unpercent(row[1])), expected, "{} on {}", row[0], row[1]);
        // Where we differ we refuse: no name is ever another than Kafka's.
        assert!(
            row[3].is_empty() || row[3].starts_with('!') || row[2].starts_with("!start"),
            "{} on {}",
            row[0],
            row[1]
        );
    }
}
