//! The address of a node.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;
use thiserror::Error;

/// Where a node listens: `http://host:port`, without a path. The port is 80 if none is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// A text that is no address of a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidAddress {
    /// Not of the form `http://host:port`.
    #[error("not of the form http://host:port")]
    Form,
    /// A scheme other than `http`.
    #[error("only http:// is supported")]
    Scheme,
    /// Something behind the port.
    #[error("a node's address ends after the port")]
    Path,
}

impl Address {
    /// The address of `host` and `port`; an IPv6 host comes without brackets.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        // One spelling for one address, so that two of them can be compared.
        let host = match host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().to_string(),
            Err(_) => host.to_ascii_lowercase(),
        };
        Self { host, port }
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, as the `Host` header wants it.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let uri: Uri = text.trim().parse().map_err(|_| InvalidAddress::Form)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(_) => return Err(InvalidAddress::Scheme),
            None => return Err(InvalidAddress::Form),
        }
        let authority = uri.authority().ok_or(InvalidAddress::Form)?;
        // What is left of the authority is the port; with a user in front, the host is not the prefix.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            Some(port) => port.strip_prefix(':').and_then(|port| port.parse().ok()).unwrap_or(0),
            None => 0,
        };
        if authority.host().is_empty() || port == 0 {
            return Err(InvalidAddress::Form);
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(InvalidAddress::Path);
        }
        Ok(Self::new(authority.host().trim_matches(['[', ']']), port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_compared() {
        for (text, shown) in [
            ("http://follower1:8000", "http://follower1:8000"),
            ("http://Follower1:8000/", "http://follower1:8000"),
            (" http://127.0.0.1 ", "http://127.0.0.1:80"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("http://[0:0::0:1]:9000", "http://[::1]:9000"),
            ("http://[::ffff:127.0.0.1]:9000", "http://127.0.0.1:9000"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("", InvalidAddress::Form),
            ("follower1:8000", InvalidAddress::Form),
            ("http://", InvalidAddress::Form),
            ("http://a:b", InvalidAddress::Form),
            ("http://a:", InvalidAddress::Form),
            ("http://a:0", InvalidAddress::Form),
            ("http://a:65536", InvalidAddress::Form),
            ("http://user@a:1", InvalidAddress::Form),
            ("https://a:1", InvalidAddress::Scheme),
            ("http://a:1/x", InvalidAddress::Path),
            ("http://a:1/?q", InvalidAddress::Path),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}
