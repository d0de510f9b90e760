//! Where keys and tokens are fetched from: a URL of the configuration, taken apart once and strictly.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use hyper::Uri;

use super::address;

/// Most bytes of a URL.
const MAX_URL: usize = 2048;

/// Why a URL of the configuration is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No URL at all (RFC 3986), or one of more than 2048 bytes.
    #[error("expected a URL such as https://host/path, of at most 2048 bytes")]
    Malformed,
    /// Another scheme.
    #[error("expected a URL of the scheme https, or http towards a loopback address")]
    Scheme,
    /// Another scheme, where a file would do too.
    #[error("expected a URL of the scheme https or file, or http towards a loopback address")]
    SchemeOrFile,
    /// `http` to a host that is no loopback address.
    #[error(
        "http is for loopback addresses such as 127.0.0.1 only, because whoever is in between could give keys of their own; \
         expected https"
    )]
    PlainText,
    /// Credentials in the URL.
    #[error("expected no user information in the URL")]
    UserInformation,
    /// A fragment.
    #[error("expected no fragment (#) in the URL")]
    Fragment,
    /// No host, or one that no certificate can name.
    #[error("expected a host name or an address in the URL")]
    Host,
    /// `https` without settings of TLS.
    #[error("an https URL needs TLS settings")]
    NoTls,
    /// A port that is none.
    #[error("expected a port from 1 to 65535 in the URL")]
    Port,
    /// An address that is never dialled.
    #[error(
        "its host is a link-local, unspecified, multicast or broadcast address, or one of a cloud's metadata services"
    )]
    ForbiddenAddress,
    /// A file that is not named by an absolute path.
    #[error("expected file:///absolute/path, without host, query and fragment")]
    FilePath,
}

/// An `http` or `https` URL whose host may be dialled.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    /// `https`.
    pub(super) is_https: bool,
    /// In lower case, without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query, as a request line has them.
    pub(super) target: String,
}

impl HttpUrl {
    /// Takes a URL apart. `allow_http`: `http` goes to every host, not only to loopback addresses.
    pub fn parse(url: &str, allow_http: bool) -> Result<Self, UrlError> {
        if url.is_empty() || url.len() > MAX_URL {
            return Err(UrlError::Malformed);
        }
        // `Uri` drops a fragment in silence.
        if url.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| UrlError::Malformed)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(UrlError::Scheme),
            None => return Err(UrlError::Malformed),
        };
        let authority = uri.authority().ok_or(UrlError::Host)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInformation);
        }
        let host = authority.host().to_ascii_lowercase();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host).to_owned();
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match (authority.port_u16(), has_port) {
            (Some(port @ 1..), _) => port,
            (None, false) => {
                if is_https {
                    443
                } else {
                    80
                }
            }
            _ => return Err(UrlError::Port),
        };
        if host.is_empty() || crate::tls::server_name(&host).is_err() {
            return Err(UrlError::Host);
        }
        let literal: Option<IpAddr> = host.parse().ok();
        if literal.is_some_and(address::is_forbidden) {
            return Err(UrlError::ForbiddenAddress);
        }
        if !is_https && !allow_http && !literal.is_some_and(address::is_loopback) {
            return Err(UrlError::PlainText);
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { is_https, host, port, target })
    }

    /// The Host header (RFC 9110 §7.2): without the scheme's own port.
    pub(super) fn host_header(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        let default = if self.is_https { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
}

/// Without the query, in which a secret may stand.
impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.host_header())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where a key set is: `sasl.oauthbearer.jwks.endpoint.url`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyLocation {
    /// An issuer's endpoint.
    Http(HttpUrl),
    /// A file of this machine.
    File(PathBuf),
}

impl KeyLocation {
    /// Takes a URL apart. `allow_http`: `http` goes to every host, not only to loopback addresses.
    pub fn parse(url: &str, allow_http: bool) -> Result<Self, UrlError> {
        let scheme = url.get(..5).unwrap_or_default();
        if scheme.eq_ignore_ascii_case("file:") {
            return file_path(&url[5..]).map(Self::File).ok_or(UrlError::FilePath);
        }
        HttpUrl::parse(url, allow_http).map(Self::Http).map_err(|error| match error {
            UrlError::Scheme => UrlError::SchemeOrFile,
            other => other,
        })
    }
}

/// For logs and metrics: the URL without its query.
impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => write!(f, "{url}"),
            Self::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

/// The path behind `file:` (RFC 8089): `///path`, or `/path` as Java prints it.
fn file_path(rest: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let path = match rest.strip_prefix("//") {
        Some(path) => path,
        None => rest,
    };
    if rest.len() > MAX_URL || !path.starts_with('/') || path.starts_with("//") || path.contains(['?', '#']) {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut left = path.as_bytes();
    while let [first, rest @ ..] = left {
        left = rest;
        bytes.push(match (first, rest) {
            (b'%', [high, low, rest @ ..]) => {
                left = rest;
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(high)? << 4 | digit(low)?
            }
            (b'%', _) => return None,
            (byte, _) => *byte,
        });
    }
    (!bytes.contains(&0)).then(|| PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}
