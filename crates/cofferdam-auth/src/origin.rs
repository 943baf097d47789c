//! Web origins (RFC 6454) in their one spelling, so that comparing bytes is comparing origins.

/// Whether `text` is the ASCII serialization of an origin as a browser writes it: `http` or
/// `https`, a lower-case host without user, path or trailing dot, and a port only where it is not
/// the scheme's own.
///
/// U01: what is not in this spelling (`null`, upper case, `:443`, IDN in Unicode) equals nothing.
pub(crate) fn is_canonical(text: &str) -> bool {
    let (rest, default_port) = match text.split_once("://") {
        Some(("https", rest)) => (rest, "443"),
        Some(("http", rest)) => (rest, "80"),
        _ => return false,
    };
    // An IPv6 host holds colons, within its brackets.
    let port_from = rest.rfind(']').unwrap_or(0);
    let (host, port) = match rest[port_from..].find(':') {
        Some(at) => (&rest[..port_from + at], Some(&rest[port_from + at + 1..])),
        None => (rest, None),
    };
    is_host(host) && port.is_none_or(|port| port != default_port && is_port(port))
}

pub(crate) fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
        && !text.starts_with('0')
        && text.parse::<u16>().is_ok()
}

/// A lower-case DNS name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let parsed = address.parse::<std::net::Ipv6Addr>();
        return parsed.is_ok_and(|parsed| parsed.to_string() == address);
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_one_spelling_of_an_origin() {
        for origin in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "http://localhost:3000",
            "https://xn--bcher-kva.example",
            "http://127.0.0.1",
            "https://[::1]:8443",
            "https://[2001:db8::1]",
        ] {
            assert!(is_canonical(origin), "{origin}");
        }
    }

    /// U01.
    #[test]
    fn refuses_every_other_spelling() {
        for origin in [
            "",
            "null",
            "*",
            "https://",
            "https://*.example.com",
            "app.example.com",
            "HTTPS://app.example.com",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://app.example.com:",
            "https://app.example.com:0",
            "https://app.example.com:08443",
            "https://app.example.com:+8443",
            "https://app.example.com:65536",
            "https://app.example.com/",
            "https://app.example.com.",
            "https://user@app.example.com",
            "https://bücher.example",
            "https://app.example.com https://evil.example",
            "https://[::0001]",
            "https://[::1",
            "wss://app.example.com",
            "file://",
        ] {
            assert!(!is_canonical(origin), "{origin}");
        }
    }
}
