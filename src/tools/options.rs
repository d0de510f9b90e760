//! The command line grammar of Kafka's tools, which is JOpt Simple's: `--flag value` and `--flag=value`, one dash or two, no
//! abbreviations. What stands alone is ignored, as there.

/// A flag that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flag {
    pub name: &'static str,
    pub kind: FlagKind,
}

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlagKind {
    /// Nothing.
    Switch,
    /// A value.
    Value,
    /// Values, separated by commas.
    List,
}

/// A command line as it was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// In the order of the command line; a list stands once for each of its values.
    found: Vec<(&'static str, Option<String>)>,
    /// The flags, each as often as it was given.
    order: Vec<&'static str>,
}

impl Options {
    /// Reads the arguments; an error is the line that Kafka's tools say.
    pub fn parse(flags: &'static [Flag], arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let text = match argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) {
                Some("") if argument == "--" => break,
                None | Some("") => continue,
                Some(text) => text,
            };
            let (name, attached) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            let Some(flag) = flags.iter().find(|flag| flag.name == name) else {
                // With one dash each letter is a flag of its own.
                let letter = name.chars().next().map(String::from).unwrap_or_default();
                let unknown = if argument.starts_with("--") { name } else { &letter };
                return Err(format!("{unknown} is not a recognized option"));
            };
            options.order.push(flag.name);
            if flag.kind == FlagKind::Switch {
                options.found.push((flag.name, None));
                continue;
            }
            let value = match attached {
                Some(value) => value,
                None => arguments.next().ok_or_else(|| format!("Option {name} requires an argument"))?,
            };
            if flag.kind == FlagKind::Value {
                options.found.push((flag.name, Some(value.to_owned())));
                continue;
            }
            let mut parts = value.split(',').filter(|part| !part.is_empty()).peekable();
            if parts.peek().is_none() {
                options.found.push((flag.name, Some(value.to_owned())));
            }
            options.found.extend(parts.map(|part| (flag.name, Some(part.to_owned()))));
        }
        Ok(options)
    }

    /// Whether the flag was given.
    pub fn has(&self, name: &str) -> bool {
        self.order.contains(&name)
    }

    /// All values of the flag.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.found.iter().filter(move |(found, _)| *found == name).filter_map(|(_, value)| value.as_deref())
    }

    /// The value of a flag that may be given once.
    pub fn value<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, String> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(format!("Found multiple arguments for option {name}, but you asked for only one")),
        }
    }

    /// The flags in the order of the command line.
    pub fn order(&self) -> &[&'static str] {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FLAGS: &[Flag] = &[
        Flag { name: "alter", kind: FlagKind::Switch },
        Flag { name: "name", kind: FlagKind::Value },
        Flag { name: "delete", kind: FlagKind::List },
    ];

    fn parse(line: &[&str]) -> Result<Options, String> {
        Options::parse(FLAGS, &line.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn values_stand_behind_a_blank_or_an_equals_sign() {
        let cases: [(&[&str], &[&str]); 8] = [
            (&["--name", "a"], &["a"]),
            (&["--name=a"], &["a"]),
            (&["-name=a", "-name", "b"], &["a", "b"]),
            (&["--name=", "a"], &[""]),
            (&["--name=a=b"], &["a=b"]),
            (&["--name", "--alter"], &["--alter"]),
            (&["--name", ""], &[""]),
            (&["stray", "-", "--", "--name", "a"], &[]),
        ];
        for (line, want) in cases {
            let options = parse(line).unwrap();
            assert_eq!(options.values("name").collect::<Vec<_>>(), want, "{line:?}");
            assert!(!options.has("alter"), "{line:?}");
        }
    }

    #[test]
    fn lists_are_cut_at_commas() {
        for (value, want) in
            [("a,b", &["a", "b"][..]), (",a,,b,", &["a", "b"]), ("", &[""]), (",", &[","]), (" , ", &[" ", " "])]
        {
            let options = parse(&["--delete", value]).unwrap();
            assert_eq!(options.values("delete").collect::<Vec<_>>(), want, "{value:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_kafka_says_it() {
        let cases: [(&[&str], &str); 4] = [
            (&["--alter", "--bogus"], "bogus is not a recognized option"),
            (&["--bogus=1"], "bogus is not a recognized option"),
            (&["-xyz"], "x is not a recognized option"),
            (&["--name"], "Option name requires an argument"),
        ];
        for (line, want) in cases {
            assert_eq!(parse(line), Err(want.to_owned()), "{line:?}");
        }
        let twice = parse(&["--name", "a", "--name", "b"]).unwrap();
        assert_eq!(
            twice.value("name"),
            Err("Found multiple arguments for option name, but you asked for only one".to_owned())
        );
        assert_eq!(parse(&["--name", "a"]).unwrap().value("name"), Ok(Some("a")));
    }
}
