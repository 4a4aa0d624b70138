//! Whether two names are one machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a client that goes to `url_host` may reach a node that listens on `own_host`.
pub fn is_same_host(url_host: &str, own_host: &str) -> bool {
    let (url, own) = (ip(url_host), ip(own_host));
    match (url, own) {
        (Some(url), Some(own)) => {
            url == own || url.is_unspecified() || (url.is_loopback() && own.is_unspecified())
        }
        _ => url_host.eq_ignore_ascii_case(own_host),
    }
}

pub fn is_unspecified(host: &str) -> bool {
    ip(host).is_some_and(|ip| ip.is_unspecified())
}

/// The address that a host is, if it is one; both loopback addresses count as the first.
fn ip(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    let ip: IpAddr = host.parse().ok()?;
    Some(if ip == IpAddr::V6(Ipv6Addr::LOCALHOST) { Ipv4Addr::LOCALHOST.into() } else { ip.to_canonical() })
}
