//! Which JAAS entry a mechanism on a listener uses: its own key, else a section of the static file.

use std::fs;

use super::error::ConfigError;
use super::jaas::{self, JaasContext, JaasFile, SystemProperties};
use super::keys;
use super::names::ListenerName;
use super::reader::{Found, Reader};
use crate::secret::Secret;

/// The login module of the SCRAM mechanisms.
pub(super) const SCRAM_LOGIN_MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";

/// OAUTHBEARER's name as a mechanism.
pub const OAUTHBEARER: &str = "OAUTHBEARER";

/// The login module of OAUTHBEARER.
pub const OAUTHBEARER_LOGIN_MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/// The JAAS entry of OAUTHBEARER.
pub(super) struct Entry {
    /// With one login module, or with none where none is needed.
    pub context: JaasContext,
    /// Its key, or where else it stands, for messages.
    pub key: String,
    /// `file:line`, or the file.
    pub origin: String,
}

/// Finds JAAS entries. The static file is read when the first entry is looked for in it, as the JVM does.
pub(super) struct Logins {
    system: SystemProperties,
    file: Option<StaticFile>,
}

struct StaticFile {
    /// What the file is called in messages.
    shown: String,
    content: Option<JaasFile>,
    bytes: Option<Secret>,
}

impl Logins {
    pub fn new(kafka_opts: Option<&str>) -> Self {
        Self { system: SystemProperties::from_kafka_opts(kafka_opts.unwrap_or_default()), file: None }
    }

    /// The static file as it was read, if it was.
    pub fn into_content(self) -> Option<Secret> {
        self.file?.bytes
    }

    /// The context of `mechanism` on `listener`; what is wrong or missing is reported.
    pub fn server_context(
        &mut self,
        reader: &mut Reader<'_>,
        listener: &ListenerName,
        mechanism: &str,
    ) -> Option<JaasContext> {
        let prefix = listener.key_prefix();
        let key = format!("{prefix}{}.{}", mechanism.to_lowercase(), keys::SASL_JAAS_CONFIG.name);
        if let Some(found) = reader.find_by_name(&key) {
            return self.property(reader, &found);
        }
        let own = format!("{}.KafkaServer", listener.as_str().to_lowercase());
        self.load_file(reader);
        let file = self.file.as_ref()?;
        let content = file.content.as_ref();
        match content.and_then(|content| content.section(&own).or_else(|| content.section("KafkaServer"))) {
            Some(context) => self.allowed(reader, &file.shown, context.clone()),
            // A file that cannot be read has been reported.
            None if content.is_none() && !file.shown.is_empty() => None,
            None => {
                let location = if file.shown.is_empty() { "not set".to_owned() } else { format!("'{}'", file.shown) };
                reader.missing(
                    &key,
                    format!(
                        "Could not find a 'KafkaServer' or '{own}' entry in the JAAS configuration. System property \
                         'java.security.auth.login.config' is {location}. Expected that key, or a static JAAS file"
                    ),
                );
                None
            }
        }
    }

    /// The context of a SCRAM mechanism, which needs none here: its users are in the store. What is written under its own key is
    /// checked all the same, so that nobody takes for a user what is none.
    pub fn scram_context(
        &self,
        reader: &mut Reader<'_>,
        listener: &ListenerName,
        mechanism: &str,
    ) -> Option<JaasContext> {
        let key = format!("{}{}.{}", listener.key_prefix(), mechanism.to_lowercase(), keys::SASL_JAAS_CONFIG.name);
        let Some(found) = reader.find_by_name(&key) else { return Some(JaasContext::default()) };
        let context = self.property(reader, &found)?;
        let Some(module) = context.modules.iter().find(|module| module.class == SCRAM_LOGIN_MODULE) else {
            reader.error(&found, format!("expected a {SCRAM_LOGIN_MODULE}, or no such key: users are in the store"));
            return None;
        };
        if module.options.keys().any(|option| option.starts_with("user_")) {
            reader.warn(format!(
                "{key} ({}): options user_<name> define no user of SCRAM; users are in the store",
                found.setting.origin
            ));
        }
        Some(context)
    }

    /// The entry of OAUTHBEARER: its own key, else a section of the static file; of a section that serves several mechanisms the one
    /// login module that is OAUTHBEARER's. `None` only if something was reported.
    ///
    /// Kafka wants one always. It is `required` where its options say how tokens are judged; the keys of an issuer do without.
    pub fn oauthbearer_entry(
        &mut self,
        reader: &mut Reader<'_>,
        listener: &ListenerName,
        required: bool,
    ) -> Option<Entry> {
        let key = format!("{}{}.{}", listener.key_prefix(), OAUTHBEARER.to_lowercase(), keys::SASL_JAAS_CONFIG.name);
        let own = reader.find_by_name(&key);
        let origin = own.as_ref().map(|found| found.setting.origin.clone());
        if own.is_none() && !required && !self.has_section(reader, listener) {
            return Some(Entry { context: JaasContext::default(), key, origin: String::new() });
        }
        let context = self.server_context(reader, listener, OAUTHBEARER)?;
        let origin = origin.unwrap_or_else(|| self.file.as_ref().map_or_else(String::new, |file| file.shown.clone()));
        let is_ours = |class: &str| class == OAUTHBEARER_LOGIN_MODULE;
        let modules: Vec<_> = context.modules.into_iter().filter(|module| is_ours(&module.class)).collect();
        let is_enough = if required || own.is_some() { modules.len() == 1 } else { modules.len() <= 1 };
        if !is_enough {
            let problem = format!("expected exactly one {OAUTHBEARER_LOGIN_MODULE}, found {}", modules.len());
            reader.errors.push(ConfigError { key, origin, problem });
            return None;
        }
        Some(Entry { context: JaasContext { modules }, key, origin })
    }

    /// Whether the static file can be read and has a section for the listener.
    fn has_section(&mut self, reader: &mut Reader<'_>, listener: &ListenerName) -> bool {
        let own = format!("{}.KafkaServer", listener.as_str().to_lowercase());
        self.load_file(reader);
        let content = self.file.as_ref().and_then(|file| file.content.as_ref());
        content.is_some_and(|content| [own.as_str(), "KafkaServer"].iter().any(|name| content.section(name).is_some()))
    }

    /// A Java system property.
    pub fn system_property(&self, name: &str) -> Option<&str> {
        self.system.get(name)
    }

    /// The context in a property value.
    pub fn property(&self, reader: &mut Reader<'_>, found: &Found<'_>) -> Option<JaasContext> {
        match jaas::parse_property(found.text()).and_then(|c| jaas::check_allowed(&c, &self.system).map(|()| c)) {
            Ok(context) => Some(context),
            Err(error) => {
                let hide = found.setting.substituted;
                reader.error(found, if hide { error.without_quote() } else { error.to_string() });
                None
            }
        }
    }

    fn allowed(&self, reader: &mut Reader<'_>, shown: &str, context: JaasContext) -> Option<JaasContext> {
        let Err(error) = jaas::check_allowed(&context, &self.system) else { return Some(context) };
        let key = keys::JAAS_FILE.name.into();
        reader.errors.push(ConfigError { key, origin: shown.into(), problem: error.to_string() });
        None
    }

    fn load_file(&mut self, reader: &mut Reader<'_>) {
        if self.file.is_some() {
            return;
        }
        let found = reader.find(&keys::JAAS_FILE).filter(|found| !found.text().is_empty());
        let (path, origin) = match &found {
            Some(found) => (found.text(), found.setting.origin.as_str()),
            None => (self.system.get(keys::JAAS_FILE.name).unwrap_or_default(), "KAFKA_OPTS"),
        };
        let is_substituted = found.as_ref().is_some_and(|found| found.setting.substituted);
        // The JVM takes a second `=` as "only this file", and URLs.
        let path = path.strip_prefix('=').unwrap_or(path);
        let path = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path);
        let shown = if is_substituted { "[hidden]" } else { path };
        let (mut content, mut bytes) = (None, None);
        if !path.is_empty() {
            let read = fs::read(path).map(Secret::new).map_err(|e| format!("{shown} cannot be read: {e}"));
            let parsed = read.and_then(|read| {
                let text = String::from_utf8_lossy(read.expose());
                let parsed = jaas::parse_file(&text, &self.system);
                let parsed = parsed.map_err(|e| format!("{shown} is no JAAS configuration: {e}"));
                bytes = Some(read.clone());
                parsed
            });
            match parsed {
                Ok(file) => content = Some(file),
                Err(problem) => {
                    let (key, origin) = (keys::JAAS_FILE.name.into(), origin.into());
                    reader.errors.push(ConfigError { key, origin, problem });
                }
            }
        }
        self.file = Some(StaticFile { shown: shown.into(), content, bytes });
    }
}
