use proptest::prelude::*;

use super::*;

/// Class names and options, sorted, in a form that a test can compare.
fn shown(context: &JaasContext) -> Vec<(String, Vec<(String, String)>)> {
    let text = |secret: &Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
    let options = |module: &JaasModule| {
        let mut options: Vec<_> = module.options.iter().map(|(k, v)| (k.clone(), text(v))).collect();
        options.sort();
        options
    };
    context.modules.iter().map(|m| (m.class.clone(), options(m))).collect()
}

/// Options of the only module, or the error's text.
fn property(value: &str) -> Result<Vec<(String, String)>, String> {
    parse_property(value).map(|context| shown(&context).remove(0).1).map_err(|e| e.to_string())
}

#[test]
fn property_values_as_kafka_reads_them() {
    // Outcomes of org.apache.kafka.common.security.JaasConfig (kafka-clients 4.3.1, OpenJDK 17).
    let good: &[(&str, &[(&str, &str)])] = &[
        ("a.B required;", &[]),
        ("a.B REQUIRED k=v;", &[("k", "v")]),
        (
            "a.B required user_alice=\"alice-secret\" user_bob='b';",
            &[("user_alice", "alice-secret"), ("user_bob", "b")],
        ),
        ("a.B required \"user_a@b.c\"=\"p w\";", &[("user_a@b.c", "p w")]),
        ("a.B required k=a1.b-c_$;", &[("k", "a1.b-c_$")]),
        ("a.B required k=v\nk=w;", &[("k", "w")]),
        (r#"a.B required k="\n\r\t\f\b\a\v\"\\\q\101\477";"#, &[("k", "\n\r\t\u{c}\u{8}\u{7}\u{b}\"\\qA'7")]),
        ("a.B required k=\"open\n;", &[("k", "open")]),
        ("a.B required // rest\n k=v /* two\nlines */ l=w / rest\n;", &[("k", "v"), ("l", "w")]),
        ("a.B required /\nwholly = skipped\n k=v;", &[("k", "v")]),
        ("é.B required k=é;", &[("k", "é")]),
        ("a.B required k=\"${prop.a}\";", &[("k", "${prop.a}")]),
        ("a.B required k=\"\";", &[("k", "")]),
    ];
    for (value, expected) in good {
        let expected: Vec<_> = expected.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        assert_eq!(property(value), Ok(expected), "{value}");
    }
    let bad = [
        ("", "Login module not specified in JAAS config"),
        (" // nothing", "Login module not specified in JAAS config"),
        ("a.B", "Login module control flag not specified in JAAS config"),
        ("a.B ;", "Login module control flag is not available in the JAAS config"),
        ("a.B maybe;", "Invalid login module control flag 'maybe' in JAAS config"),
        ("a.B required", "JAAS config entry not terminated by semi-colon"),
        ("a.B required username=b", "JAAS config entry not terminated by semi-colon"),
        ("a.B required user_a=123;", "Value not specified for key 'user_a' in JAAS config"),
        ("a.B required user_a=-x;", "Value not specified for key 'user_a' in JAAS config"),
        ("a.B required password;", "Value not specified for key 'password' in JAAS config"),
        ("a.B required 5;", "Value not specified for key 'null' in JAAS config"),
        ("a.B required; c.D required;", "JAAS config property contains 2 login modules, should be 1 module"),
        // Java fails here with a message of null.
        ("; required;", "Login module not specified in JAAS config"),
    ];
    for (value, expected) in bad {
        assert_eq!(property(value), Err(expected.into()), "{value}");
    }
}

#[test]
fn no_error_shows_a_part_of_a_password() {
    let values = [
        "a.B required password=hunter hunter2;",
        "a.B required password=x;hunter2 hunter2;",
        "a.B required password=\"x\"hunter2=;",
    ];
    for value in values {
        let error = property(value).unwrap_err();
        assert!(!error.contains("hunter"), "{error}");
    }
    let files = [
        "S { a.B required password \"hunter2\"; };",
        "S { a.B required password=\"${hunter2}\"; };",
        "S { a.B required password='hunter2'; };",
        "S { a.B required password=\"x\"hunter2; };",
        "S { a.B hunter2 password=\"x\"; };",
        "S { a.B required password=\"x\"; } \"hunter2\"",
    ];
    for text in files {
        let error = parse_file(text, &SystemProperties::default()).unwrap_err().to_string();
        assert!(!error.contains("hunter"), "{error}");
    }
    let context = parse_property("a.B required password=hunter2;").unwrap();
    assert!(!format!("{context:?}").contains("hunter"));
}

#[test]
fn static_files_as_the_jdk_reads_them() {
    let system = SystemProperties::from_kafka_opts("-Xmx1g -Dprop.a=A-value  -Dprop.e= -Dflag -Dprop.b=x=y");
    let module = |options: &[(&str, &str)]| {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        vec![("a.B".to_string(), options)]
    };
    let text = r#"
        // two sections
        KafkaServer { a.B required user_alice="alice-secret" username=admin; };
        clients.KafkaServer {
            a.B Optional p="x${/}y${prop.a}z" q="${{prop.a}}" r="${open" s="${prop.b}" "t u"="" ;
            a.B requisite; };
        "empty one" { };
    "#;
    let file = parse_file(text, &system).unwrap();
    let section = |name| shown(file.section(name).unwrap());
    assert_eq!(section("KafkaServer"), module(&[("user_alice", "alice-secret"), ("username", "admin")]));
    let mut both = module(&[("p", "x/yA-valuez"), ("q", "${{prop.a}}"), ("r", "${open"), ("s", "x=y"), ("t u", "")]);
    both.extend(module(&[]));
    assert_eq!(section("clients.KafkaServer"), both);
    assert!(file.section("kafkaserver").is_none());
    assert!(file.section("empty one").is_none());

    let bad = [
        ("S { a.B required k=\"v\"; }", "expected ';', found the end of the file"),
        ("S {\n a.B required k='v'; };", "line 2: expected an option value, found a string in single quotes"),
        ("S { a.B required k=5; };", "line 1: expected an option value, found a number"),
        ("S { a.B\n required k=\"v", "expected an option name, found the end of the file"),
        ("S { a.B sometimes; };", "line 1: invalid control flag"),
        ("S { a.B required; };\nS { };", "line 2: section 'S' is given more than once"),
        ("{ };", "line 1: expected a section name, found '{'"),
        ("S { a.B required username=\"${prop.e}\"; };", "line 1: a value expands to nothing"),
        (
            "S { a.B required username=\"${none}\"; };",
            "line 1: unable to expand a system property in the value of 'username'; only those that KAFKA_OPTS sets by \
             -D are known",
        ),
    ];
    for (text, expected) in bad {
        assert_eq!(parse_file(text, &system).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn forbidden_login_modules() {
    let check = |class: &str, opts: &str| {
        let context = parse_property(&format!("{class} required;")).unwrap();
        check_allowed(&context, &SystemProperties::from_kafka_opts(opts)).map_err(|e| e.to_string())
    };
    let jndi = "com.sun.security.auth.module.JndiLoginModule";
    assert_eq!(
        check(jndi, ""),
        Err(format!(
            "{jndi} is not allowed. The system property 'org.apache.kafka.disallowed.login.modules' is deprecated. Use \
             the org.apache.kafka.allowed.login.modules to allow this module. \
             e.g.,-Dorg.apache.kafka.allowed.login.modules={jndi}"
        ))
    );
    assert!(check("com.sun.security.auth.module.LdapLoginModule", "").is_err());
    assert!(check("a.B", "").is_ok());
    assert!(check("a.B", "-Dorg.apache.kafka.disallowed.login.modules=x.Y,a.B").is_err());
    assert!(check(jndi, "-Dorg.apache.kafka.disallowed.login.modules=").is_ok());
    let allow = "-Dorg.apache.kafka.allowed.login.modules=a.B";
    assert!(check("a.B", allow).is_ok());
    assert!(check("c.D", allow).is_err());
    // The deny list is not asked where there is an allow list.
    assert!(check(jndi, &format!("-Dorg.apache.kafka.allowed.login.modules={jndi}")).is_ok());
}

fn quote(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            '\n' => "\\n".into(),
            '\r' => "\\r".into(),
            other => other.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

proptest! {
    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = parse_property(&text);
        let _ = parse_file(&text, &SystemProperties::default());
    }

    #[test]
    fn never_panics_on_likely_text(text in "([a-c.$*'\"/\\\\ \n{};=5-]|required|[$][{]a[}]){0,30}") {
        let _ = parse_property(&format!("a required {text}"));
        let _ = parse_file(&format!("a {{ b required {text}"), &SystemProperties::default());
    }

    #[test]
    fn any_user_and_password_survive_quoting(user in any::<String>(), password in any::<String>()) {
        let entry = format!("a.B required {}={};", quote(&user), quote(&password));
        let expected = vec![(user, password.clone())];
        prop_assert_eq!(property(&entry), Ok(expected.clone()));
        if !password.contains("${") {
            let file = parse_file(&format!("S {{ {entry} }};"), &SystemProperties::default()).unwrap();
            prop_assert_eq!(shown(file.section("S").unwrap()), vec![("a.B".to_string(), expected)]);
        }
    }
}
