//! Addresses of an authorisation server, and what makes two of them one server.
//!
//! A client id is unique to its authorisation server (RFC 6749 section 2.2), so "the same client"
//! needs an answer to "the same server". Here a server is an *origin*: host and port. A path does
//! not tell servers apart, for two reasons: `/oauth/token` and `/oauth/token/` are often one, and a
//! multi-tenant application of a platform that puts the customer into the path is exactly the shared
//! client that must be refused. The price is that two realms of one host cannot both have a client
//! of one name; give them two. What an alias of a host hides, the comparison of the credentials
//! finds: one secret or key is never registered twice.

use std::net::{IpAddr, Ipv4Addr};

use http::Uri;

/// The longest address in bytes.
const MAX_ADDRESS: usize = 2048;

/// Host and port in one spelling; `None` if `address` is not `https`, or `http` to this machine, or
/// has a user, a fragment, or a host that resolvers spell in several ways.
pub(super) fn origin(address: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'#' | b'\\' | b'@');
    if address.len() > MAX_ADDRESS || !address.bytes().all(plain) {
        return None;
    }
    let uri: Uri = address.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
    let host_ip = host.parse::<IpAddr>().ok();
    let port = match (uri.scheme_str()?, uri.port_u16()) {
        ("https", port) => port.unwrap_or(443),
        ("http", port) if is_this_machine(&host, host_ip) => port.unwrap_or(80),
        _ => return None,
    };
    match host_ip {
        Some(ip) => Some(format!("{ip}:{port}")),
        None if is_name(&host) => Some(format!("{host}:{port}")),
        None => None,
    }
}

fn is_this_machine(host: &str, ip: Option<IpAddr>) -> bool {
    host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
}

/// A host name with neither a trailing dot nor a last label that begins with a digit: `0x7f.1` and
/// `2130706433` are addresses to some resolvers.
fn is_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let labels = host.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    labels && !last.starts_with(|c: char| c.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_one_origin() {
        for (address, expected) in [
            ("https://login.example.com/oauth/token", "login.example.com:443"),
            ("https://LOGIN.example.com:443/oauth/token/?x=1", "login.example.com:443"),
            ("https://login.example.com:8443/", "login.example.com:8443"),
            ("https://log-in.example.com/", "log-in.example.com:443"),
            ("http://127.0.0.1:8080/token", "127.0.0.1:8080"),
            ("http://localhost/token", "localhost:80"),
            ("https://[0:0::1]:8080/token", "::1:8080"),
            ("http://[::1]:8080/token", "::1:8080"),
        ] {
            assert_eq!(origin(address).as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn an_address_has_a_longest_length() {
        let of = |len: usize| {
            let address = "https://login.example.com/";
            format!("{address}{}", "x".repeat(len - address.len()))
        };
        assert!(origin(&of(MAX_ADDRESS)).is_some());
        assert!(origin(&of(MAX_ADDRESS + 1)).is_none());
    }

    #[test]
    fn refuses_what_has_a_second_spelling_or_no_tls() {
        for address in [
            "",
            "login.example.com/token",
            "http://login.example.com/token",
            "http://127.0.0.1.example.com/token",
            "ftp://login.example.com/token",
            "https://user@login.example.com/token",
            "https://login.example.com/token#part",
            "https://login.example.com./token",
            "https://login..example.com/token",
            "https://0x7f.1/token",
            "https://2130706433/token",
            "https://login.example.com\\@evil.example/token",
            "https://login.éxample.com/token",
            "https://log_in.example.com/token",
            "https://login.example.com/to ken",
        ] {
            assert_eq!(origin(address), None, "{address}");
        }
    }
}
