use std::collections::BTreeMap;

use super::*;
use crate::config::source::Setting;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("doorkeeper-providers-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("inner")).unwrap();
        fs::write(path.join("secrets.properties"), "password = p\u{e9}\nempty=\n").unwrap();
        fs::write(path.join("inner/token"), "t0ken\n").unwrap();
        Self(fs::canonicalize(path).unwrap())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Values, warnings and errors after resolving `pairs`, with `@` for the directory.
struct Resolved {
    values: BTreeMap<String, String>,
    warnings: Vec<String>,
    errors: Vec<String>,
}

impl Resolved {
    fn value(&self, key: &str) -> &str {
        &self.values[key]
    }
}

fn resolved(directory: &Directory, pairs: &[(&str, &str)]) -> Resolved {
    let at = directory.0.display().to_string();
    let setting = |value: &str| Setting {
        value: Zeroizing::new(value.replace('@', &at)),
        origin: "f:1".into(),
        explicit: true,
        substituted: false,
    };
    let mut settings: Settings = pairs.iter().map(|(key, value)| (key.to_string(), setting(value))).collect();
    let environment = |name: &str| (name == "TOKEN").then(|| "from ${env:TOKEN}".to_owned());
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    resolve(&mut settings, &environment, &mut warnings, &mut errors);
    let errors = errors.into_iter().map(|e| e.to_string().replace(&at, "@")).collect();
    let warnings = warnings.into_iter().map(|w| w.replace(&at, "@")).collect();
    let values = settings.into_iter().map(|(key, setting)| (key, setting.value.replace(&at, "@"))).collect();
    Resolved { values, warnings, errors }
}

const PROVIDERS: [(&str, &str); 4] = [
    ("config.providers", "file,dir,env"),
    ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
    ("config.providers.dir.class", "org.apache.kafka.common.config.provider.DirectoryConfigProvider"),
    ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    PROVIDERS.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn placeholders_of_all_three_providers() {
    let directory = Directory::new("three");
    let all = resolved(
        &directory,
        &with(&[
            ("a", "x ${file:@/secrets.properties:password} y ${dir:@/inner:token}z"),
            ("b", "${env:TOKEN}"),
            ("c", "${file:@/secrets.properties:empty}"),
            ("d", "${} $ {x} ${unclosed ${env:TOKEN"),
        ]),
    );
    // The file is UTF-8, the directory's file keeps its newline, and what is put in is not looked at again.
    assert_eq!(all.value("a"), "x p\u{e9} y t0ken\nz");
    assert_eq!(all.value("b"), "from ${env:TOKEN}");
    assert_eq!(all.value("c"), "");
    assert_eq!(all.value("d"), "${} $ {x} ${unclosed ${env:TOKEN");
    assert_eq!((all.warnings.len(), all.errors.len()), (0, 0));
}

#[test]
fn what_cannot_be_resolved_stays_with_a_warning() {
    let directory = Directory::new("stays");
    let cases = [
        ("${nobody:x}", "there is no such config provider"),
        ("${env:OTHER}", "there is no such environment variable"),
        ("${file:@/secrets.properties:other}", "@/secrets.properties has no such key"),
        ("${file:key}", "it names no path"),
        ("${dir:@/inner:other}", "@/inner has no such regular file"),
        ("${dir:@:inner}", "@ has no such regular file"),
        ("${dir:@/inner:../secrets.properties}", "@/inner has no such regular file"),
    ];
    for (value, why) in cases {
        let all = resolved(&directory, &with(&[("k", value)]));
        assert_eq!(all.value("k"), value);
        assert_eq!(all.warnings, [format!("k (f:1): a ${{...}} placeholder is left as it is: {why}")]);
        assert!(all.errors.is_empty());
    }
}

#[test]
fn what_stops_the_start() {
    let directory = Directory::new("stops");
    let all = resolved(&directory, &with(&[("k", "${file:@/none:x}"), ("l", "${env:path:TOKEN}")]));
    assert_eq!(all.errors.len(), 2);
    assert!(all.errors[0].starts_with("k (f:1): Could not read properties from file @/none: "), "{:?}", all.errors);
    assert_eq!(all.errors[1], "l (f:1): Path is not supported for EnvVarConfigProvider");

    fs::write(directory.0.join("latin1"), b"x=\xe9").unwrap();
    let all = resolved(&directory, &with(&[("k", "${file:@/latin1:x}")]));
    assert_eq!(all.errors, ["k (f:1): Could not read properties from file @/latin1: not valid UTF-8"]);

    let all = resolved(&directory, &[("config.providers", "a"), ("config.providers.a.class", "x.Y"), ("k", "${a:b}")]);
    assert!(all.errors[0].starts_with("config.providers.a.class (f:1): expected org.apache.kafka"), "{:?}", all.errors);
    assert_eq!((all.errors.len(), all.warnings.len()), (1, 0));
}

#[test]
fn limits_of_the_providers() {
    let directory = Directory::new("limits");
    let value = |param: (&'static str, &'static str), value: &'static str| {
        let all = resolved(&directory, &with(&[param, ("k", value)]));
        assert!(all.errors.is_empty(), "{:?}", all.errors);
        all.value("k").to_owned()
    };
    let paths = ("config.providers.file.param.allowed.paths", "@/inner");
    std::os::unix::fs::symlink(directory.0.join("secrets.properties"), directory.0.join("inner/link")).unwrap();
    for outside in [
        "${file:@/secrets.properties:password}",
        "${file:@/inner/../secrets.properties:password}",
        "${file:@/inner/link:password}",
    ] {
        assert_eq!(value(paths, outside), outside);
    }
    assert_eq!(value(("config.providers.file.param.allowed.paths", "@"), "${file:@/inner/link:password}"), "p\u{e9}");
    let outside = "${dir:@:secrets.properties}";
    assert_eq!(value(("config.providers.dir.param.allowed.paths", "@/inner"), outside), outside);

    let pattern = |pattern| value(("config.providers.env.param.allowlist.pattern", pattern), "${env:TOKEN}");
    assert_eq!(pattern("TOK\\w+"), "from ${env:TOKEN}");
    assert_eq!(pattern("TOK|KEN"), "${env:TOKEN}");

    let bad = [
        ("config.providers.file.param.allowed.paths", "inner", "Path inner is not absolute"),
        ("config.providers.dir.param.allowed.paths", "/nowhere/x", "Path /nowhere/x does not exist"),
        (
            "config.providers.env.param.allowlist.pattern",
            "(",
            "expected a regular expression (without look-around or back references)",
        ),
    ];
    for (key, value, problem) in bad {
        assert_eq!(resolved(&directory, &with(&[(key, value)])).errors, [format!("{key} (f:1): {problem}")]);
    }
}

#[test]
fn names_are_not_trimmed_and_one_without_class_is_skipped() {
    let directory = Directory::new("names");
    let class = PROVIDERS[3].1;
    let all = resolved(
        &directory,
        &[("config.providers", "a, env"), ("config.providers.env.class", class), ("k", "${env:TOKEN}")],
    );
    assert_eq!(all.value("k"), "${env:TOKEN}");
    assert_eq!(
        all.warnings,
        [
            "config.providers (f:1): provider 'a' has no config.providers.a.class and is skipped",
            "config.providers (f:1): provider ' env' has no config.providers. env.class and is skipped",
            "k (f:1): a ${...} placeholder is left as it is: there is no such config provider",
        ]
    );
}
