//! Server-side request forgery by configuration (CVE-2025-27817): which URLs are taken at all.

use std::path::Path;

use crate::issuer::{HttpEndpoint, HttpLimits, HttpUrl, KeyLocation, UrlError};

#[test]
fn what_may_be_a_url_of_keys() {
    use UrlError::*;
    let refused: &[(&str, UrlError)] = &[
        ("", Malformed),
        ("issuer.example/keys", Malformed),
        ("//issuer.example/keys", Malformed),
        ("/etc/passwd", Malformed),
        ("https:/issuer.example", Malformed),
        ("https://issuer.example/a b", Malformed),
        ("https://issuer.example/\r\nX: y", Malformed),
        ("https://issuer.example\\@evil.example/", Malformed),
        (" https://issuer.example/", Malformed),
        ("ftp://issuer.example/keys", SchemeOrFile),
        ("gopher://issuer.example/keys", SchemeOrFile),
        ("jar:file:///keys!/x", Malformed),
        ("data:application/json,{}", Malformed),
        ("ldap://issuer.example/", SchemeOrFile),
        ("http://issuer.example/keys", PlainText),
        ("http://localhost/keys", PlainText),
        ("http://10.0.0.1/keys", PlainText),
        ("http://127.1/keys", Host),
        ("http://2130706433/keys", Host),
        ("http://0x7f000001/keys", PlainText),
        ("http://[fd00::1]/keys", PlainText),
        ("https://alice:secret@issuer.example/keys", UserInformation),
        ("https://alice@issuer.example/keys", UserInformation),
        ("https://issuer.example@169.254.169.254/keys", UserInformation),
        ("http://127.0.0.1@evil.example/", UserInformation),
        ("https://issuer.example/keys#x", Fragment),
        ("https://issuer.example#@evil.example/", Fragment),
        ("https://issuer.example:0/", Port),
        ("https://issuer.example:65536/", Port),
        ("https://issuer.example:/", Port),
        ("https://under score.example/", Malformed),
        ("https://-.example/", Host),
        ("https://169.254.169.254/latest/meta-data", ForbiddenAddress),
        ("http://169.254.169.254/latest/meta-data", ForbiddenAddress),
        ("https://[::ffff:169.254.169.254]/", ForbiddenAddress),
        ("https://[fe80::1]/", ForbiddenAddress),
        ("https://[::]/", ForbiddenAddress),
        ("https://0.0.0.0/", ForbiddenAddress),
        ("https://[fd00:ec2::254]/", ForbiddenAddress),
        ("https://100.100.100.200/", ForbiddenAddress),
        ("file:", FilePath),
        ("file://", FilePath),
        ("file:keys.json", FilePath),
        ("file://host/keys.json", FilePath),
        ("file:////host/keys.json", FilePath),
        ("file:///keys.json?x", FilePath),
        ("file:///keys.json#x", FilePath),
        ("file:///keys%0.json", FilePath),
        ("file:///keys%zz.json", FilePath),
        ("file:///keys%00.json", FilePath),
    ];
    for (url, want) in refused {
        assert_eq!(KeyLocation::parse(url, false).err(), Some(*want), "{url:?}");
    }
    assert_eq!(
        KeyLocation::parse(&format!("https://issuer.example/{}", "x".repeat(3000)), false).err(),
        Some(Malformed)
    );
    let taken = [
        ("https://issuer.example/keys", "https://issuer.example/keys"),
        ("HTTPS://Issuer.Example:443/Keys", "https://issuer.example/Keys"),
        ("https://issuer.example:8443", "https://issuer.example:8443/"),
        ("https://issuer.example/keys?secret=1", "https://issuer.example/keys"),
        ("https://10.0.0.1/keys", "https://10.0.0.1/keys"),
        ("https://[2001:db8::1]:8443/keys", "https://[2001:db8::1]:8443/keys"),
        ("https://under_score.example/", "https://under_score.example/"),
        ("http://127.0.0.1:8080/keys", "http://127.0.0.1:8080/keys"),
        ("http://127.8.8.8/keys", "http://127.8.8.8/keys"),
        ("http://[::1]:8080/keys", "http://[::1]:8080/keys"),
        ("file:///etc/keys.json", "file:///etc/keys.json"),
        ("file:/etc/keys.json", "file:///etc/keys.json"),
        ("FILE:///etc/my%20keys.json", "file:///etc/my keys.json"),
    ];
    for (url, shown) in taken {
        assert_eq!(KeyLocation::parse(url, false).unwrap().to_string(), shown, "{url:?}");
    }
}

#[test]
fn a_file_is_no_place_for_tokens_and_an_endpoint_needs_its_tls() {
    assert_eq!(HttpUrl::parse("file:///etc/passwd", true).err(), Some(UrlError::Malformed));
    assert_eq!(HttpUrl::parse("ftp://issuer.example/", true).err(), Some(UrlError::Scheme));
    let url = HttpUrl::parse("https://issuer.example/token", false).unwrap();
    assert_eq!(HttpEndpoint::new(&url, None, HttpLimits::default()).err(), Some(UrlError::NoTls));
}

#[test]
fn http_elsewhere_is_for_who_asks_for_it() {
    for url in ["http://issuer.example/keys", "http://localhost/keys", "http://10.0.0.1/keys"] {
        assert!(KeyLocation::parse(url, true).is_ok(), "{url}");
    }
    for url in ["http://169.254.169.254/", "http://[::]/", "http://alice@issuer.example/"] {
        assert!(KeyLocation::parse(url, true).is_err(), "{url}");
    }
}

#[test]
fn no_error_repeats_the_url() {
    for url in
        ["https://alice:marked-7f3a@issuer.example/", "ftp://marked-7f3a/", "file:marked-7f3a", "http://marked-7f3a/"]
    {
        let error = KeyLocation::parse(url, false).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("marked"), "{error}");
    }
}

#[test]
fn a_file_is_named_by_its_bytes() {
    let KeyLocation::File(path) = KeyLocation::parse("file:///a/%C3%A4%20b", false).unwrap() else { panic!() };
    assert_eq!(path, Path::new("/a/ä b"));
}
