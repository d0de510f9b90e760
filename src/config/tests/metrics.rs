use super::*;

fn listeners(value: &str) -> Vec<(String, u16)> {
    let config = good(&format!("{SASL}metrics.listeners={value}")).config;
    config.metrics_listeners.into_iter().map(|HostPort { host, port }| (host, port)).collect()
}

#[test]
fn metrics_listeners_are_addresses_of_http() {
    assert_eq!(good(SASL).config.metrics_listeners, []);
    assert_eq!(listeners(""), []);
    assert_eq!(listeners("http://127.0.0.1:9404"), [("127.0.0.1".into(), 9404)]);
    assert_eq!(listeners("http://:9404, http://[::1]:0"), [("".into(), 9404), ("::1".into(), 0)]);
}

#[test]
fn what_is_no_address_of_http_is_refused_by_name() {
    for wrong in
        ["127.0.0.1:9404", "https://a:1", "http://a", "http://a:65536", "http://a:-1", "http://a b:1", "http://a:1/x"]
    {
        let errors = errors(&format!("{SASL}metrics.listeners={wrong}"));
        let [error] = &errors[..] else { panic!("{wrong}: {errors:?}") };
        assert!(error.contains("metrics.listeners") && error.contains("expected http://host:port"), "{error}");
    }
    let errors = errors(&format!("{SASL}metrics.listeners=http://a:1,http://a:1"));
    assert!(errors.len() == 1 && errors[0].contains("must not be duplicated"), "{errors:?}");
}
