//! The two JAAS grammars: the value of `sasl.jaas.config`, which Kafka reads itself, and the static file, which the JDK reads.
//!
//! No error quotes text that may be part of a secret: where Kafka's message quotes an option's name, ours does so only for
//! names that login modules are known to have, because an unquoted password with a blank in it ends up in that place.

use std::collections::HashMap;

use super::jaas_tokens::{Dialect, Token, Tokens};
use crate::secret::Secret;

/// Kafka's deny list, `org.apache.kafka.disallowed.login.modules` by default.
const DISALLOWED: &str = "com.sun.security.auth.module.JndiLoginModule,com.sun.security.auth.module.LdapLoginModule";

/// A JAAS context: the login modules of one section or property.
#[derive(Clone, Debug, Default)]
pub struct JaasContext {
    /// In the written order.
    pub modules: Vec<JaasModule>,
}

/// One login module entry.
#[derive(Clone, Debug)]
pub struct JaasModule {
    /// The Java class name.
    pub class: String,
    /// Its options; every value may be a secret.
    pub options: HashMap<String, Secret>,
}

/// Java system properties, as far as a process that is no JVM has any: those given by `-D` in `KAFKA_OPTS`.
#[derive(Clone, Debug, Default)]
pub struct SystemProperties(HashMap<String, String>);

impl SystemProperties {
    /// Reads the `-Dname=value` words. The start script leaves the variable unquoted, so it is cut at blanks and quotes
    /// mean nothing.
    pub fn from_kafka_opts(opts: &str) -> Self {
        let pairs = opts.split_ascii_whitespace().filter_map(|word| word.strip_prefix("-D"));
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// The property's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Why a JAAS configuration is refused; the text is Kafka's where Kafka has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct JaasError {
    text: String,
    quoted: Option<String>,
}

impl JaasError {
    /// The text without the word that it quotes, for a configuration into which secrets were put from elsewhere.
    pub fn without_quote(&self) -> String {
        match &self.quoted {
            Some(quoted) => self.text.replace(quoted.as_str(), "[hidden]"),
            None => self.text.clone(),
        }
    }
}

fn fail<T>(text: impl Into<String>) -> Result<T, JaasError> {
    Err(JaasError { text: text.into(), quoted: None })
}

/// The text has `quoted` in it.
fn fail_quoting<T>(quoted: &str, text: String) -> Result<T, JaasError> {
    Err(JaasError { text, quoted: Some(quoted.to_owned()).filter(|quoted| !quoted.is_empty()) })
}

/// The named sections of a static file.
#[derive(Clone, Debug, Default)]
pub struct JaasFile(HashMap<String, JaasContext>);

impl JaasFile {
    /// The section of this name, in exactly this case. One without login modules counts as absent, as in the JDK.
    pub fn section(&self, name: &str) -> Option<&JaasContext> {
        self.0.get(name).filter(|context| !context.modules.is_empty())
    }
}

/// Reads the value of `sasl.jaas.config`, in which Kafka wants exactly one login module.
pub fn parse_property(value: &str) -> Result<JaasContext, JaasError> {
    let context = parse_entries(value)?;
    match context.modules.len() {
        1 => Ok(context),
        n => fail(format!("JAAS config property contains {n} login modules, should be 1 module")),
    }
}

fn parse_entries(value: &str) -> Result<JaasContext, JaasError> {
    let mut tokens = Tokens::new(value, Dialect::Property);
    let mut modules = Vec::new();
    while let Some(first) = tokens.next() {
        modules.push(parse_entry(first, &mut tokens, modules.is_empty())?);
    }
    if modules.is_empty() {
        return fail("Login module not specified in JAAS config");
    }
    Ok(JaasContext { modules })
}

fn parse_entry(first: Token, tokens: &mut Tokens<'_>, is_first: bool) -> Result<JaasModule, JaasError> {
    let class = first.text();
    let Some(flag) = tokens.next() else { return fail("Login module control flag not specified in JAAS config") };
    let is_word = matches!(flag, Token::Word(_));
    match flag.text() {
        None => return fail("Login module control flag is not available in the JAAS config"),
        Some(flag) if is_control_flag(&flag) => {}
        // Only an unquoted word before the first option is surely no part of a value.
        Some(flag) if is_first && is_word => {
            return fail_quoting(&flag, format!("Invalid login module control flag '{flag}' in JAAS config"));
        }
        Some(_) => return fail("Invalid login module control flag '[hidden]' in JAAS config"),
    }
    let mut options = HashMap::new();
    loop {
        let key = match tokens.next() {
            None => return fail("JAAS config entry not terminated by semi-colon"),
            Some(Token::Symbol(';')) => break,
            Some(token) => token.text(),
        };
        let value = match tokens.next() {
            Some(Token::Symbol('=')) => tokens.next().and_then(Token::text),
            _ => None,
        };
        match (key, value) {
            (Some(key), Some(value)) => options.insert(key, Secret::new(value)),
            // Java goes on with a null key; nothing could ever look it up.
            (None, Some(_)) => return fail("Value not specified for key 'null' in JAAS config"),
            (key, None) => {
                let key = key.as_deref().map_or("null", shown_option);
                return fail_quoting(key, format!("Value not specified for key '{key}' in JAAS config"));
            }
        };
    }
    let Some(class) = class else { return fail("Login module not specified in JAAS config") };
    Ok(JaasModule { class, options })
}

fn is_control_flag(flag: &str) -> bool {
    ["required", "requisite", "sufficient", "optional"].iter().any(|known| flag.eq_ignore_ascii_case(known))
}

/// The option's name if it is one that login modules are known to have.
fn shown_option(name: &str) -> &str {
    let known = [
        "username",
        "password",
        "tokenauth",
        "serviceName",
        "keyTab",
        "principal",
        "useKeyTab",
        "storeKey",
        "useTicketCache",
    ];
    if known.contains(&name) || name.starts_with("user_") { name } else { "[hidden]" }
}

/// Reads a static JAAS file (the JDK's `ConfigFile`): `Name { Module flag key="value" ...; ... };` repeated.
pub fn parse_file(text: &str, system: &SystemProperties) -> Result<JaasFile, JaasError> {
    let mut tokens = Tokens::new(text, Dialect::File);
    let mut file = HashMap::new();
    while let Some(name) = tokens.next() {
        let name = match name {
            Token::Word(name) | Token::Quoted('"', name) => name,
            // Java takes any token and then has a section that nobody can ask for.
            other => return fail(format!("line {}: expected a section name, found {}", tokens.line(), other.kind())),
        };
        symbol(&mut tokens, '{')?;
        let mut modules = Vec::new();
        loop {
            match tokens.next() {
                Some(Token::Symbol('}')) => break,
                class => modules.push(parse_file_entry(class, &mut tokens, system)?),
            }
        }
        symbol(&mut tokens, ';')?;
        if file.contains_key(&name) {
            return fail(format!("line {}: section '{name}' is given more than once", tokens.line()));
        }
        file.insert(name, JaasContext { modules });
    }
    Ok(JaasFile(file))
}

fn parse_file_entry(
    class: Option<Token>,
    tokens: &mut Tokens<'_>,
    system: &SystemProperties,
) -> Result<JaasModule, JaasError> {
    let class = text(class, tokens, "a module class name")?;
    let next = tokens.next();
    let flag = text(next, tokens, "a control flag")?;
    if !is_control_flag(&flag) {
        return fail(format!("line {}: invalid control flag", tokens.line()));
    }
    let mut options = HashMap::new();
    loop {
        let key = match tokens.next() {
            Some(Token::Symbol(';')) => return Ok(JaasModule { class, options }),
            token => text(token, tokens, "an option name")?,
        };
        symbol(tokens, '=')?;
        let next = tokens.next();
        let value = text(next, tokens, "an option value")?;
        let value = match expand(&value, system) {
            Some(expanded) if expanded.is_empty() && !value.is_empty() => {
                return fail(format!("line {}: a value expands to nothing", tokens.line()));
            }
            Some(expanded) => expanded,
            // The name of the property may be part of a password with `${` in it.
            None => {
                return fail(format!(
                    "line {}: unable to expand a system property in the value of '{}'; only those that KAFKA_OPTS sets by -D are known",
                    tokens.line(),
                    shown_option(&key)
                ));
            }
        };
        options.insert(key, Secret::new(value));
    }
}

fn text(token: Option<Token>, tokens: &Tokens<'_>, expected: &str) -> Result<String, JaasError> {
    match token {
        Some(Token::Word(text) | Token::Quoted('"', text)) => Ok(text),
        other => unexpected(other, tokens, expected),
    }
}

fn symbol(tokens: &mut Tokens<'_>, expected: char) -> Result<(), JaasError> {
    match tokens.next() {
        Some(Token::Symbol(found)) if found == expected => Ok(()),
        other => unexpected(other, tokens, &format!("'{expected}'")),
    }
}

fn unexpected<T>(found: Option<Token>, tokens: &Tokens<'_>, expected: &str) -> Result<T, JaasError> {
    match found {
        Some(Token::Quoted('\'', _)) => {
            fail(format!("line {}: expected {expected}, found a string in single quotes", tokens.line()))
        }
        Some(found) => fail(format!("line {}: expected {expected}, found {}", tokens.line(), found.kind())),
        None => fail(format!("expected {expected}, found the end of the file")),
    }
}

/// `${name}` is the property, `${/}` the path separator, `${{...}}` stays as it is (JDK's PropertyExpander). `None` if a
/// property is unknown.
fn expand(value: &str, system: &SystemProperties) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        expanded.push_str(&rest[..start]);
        rest = &rest[start..];
        let kept = rest.starts_with("${{");
        let close = if kept { "}}" } else { "}" };
        let Some(end) = rest.find(close) else { break };
        let (placeholder, after) = rest.split_at(end + close.len());
        match &placeholder[2..placeholder.len() - close.len()] {
            _ if kept => expanded.push_str(placeholder),
            "/" => expanded.push('/'),
            name => expanded.push_str(system.get(name)?),
        }
        rest = after;
    }
    expanded.push_str(rest);
    Some(expanded)
}

/// Refuses login modules that Kafka refuses (KIP-1188 for the allow list).
pub fn check_allowed(context: &JaasContext, system: &SystemProperties) -> Result<(), JaasError> {
    let named = |list: &str, class: &str| list.split(',').any(|name| name.trim() == class);
    for JaasModule { class, .. } in &context.modules {
        let example = format!("-Dorg.apache.kafka.allowed.login.modules={class}");
        if let Some(allowed) = system.get("org.apache.kafka.allowed.login.modules") {
            if !named(allowed, class) {
                return fail_quoting(
                    class,
                    format!(
                        "{class} is not allowed. Update the system property 'org.apache.kafka.allowed.login.modules' to allow this module. e.g.,{example}"
                    ),
                );
            }
        } else if named(system.get("org.apache.kafka.disallowed.login.modules").unwrap_or(DISALLOWED), class) {
            return fail_quoting(
                class,
                format!(
                    "{class} is not allowed. The system property 'org.apache.kafka.disallowed.login.modules' is deprecated. Use the org.apache.kafka.allowed.login.modules to allow this module. e.g.,{example}"
                ),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
