//! Where this process may connect to on somebody's word: no address that only we can reach.
//!
//! The address of a key endpoint is configuration, but configuration is often a tenant's. A name
//! that resolves to `169.254.169.254` or `10.0.0.7` would make us fetch from our own cloud's metadata
//! service or from our neighbours (server-side request forgery, SECURITY W06), and a name may
//! resolve to something harmless when it is checked and to something else when it is used (DNS
//! rebinding, W07). So the check is the resolver's own: what it lets through is what is connected
//! to, every time.
//!
//! The list is that of the IANA special-purpose registries (RFC 6890), and IPv6 addresses that carry
//! an IPv4 address are judged by what they carry.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Which networks may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Networks {
    /// Addresses that the whole internet can reach.
    #[default]
    Public,
    /// Private networks as well (RFC 1918, RFC 4193): for an identity provider in one's own data
    /// centre. Never for addresses that a tenant may choose.
    PublicAndPrivate,
    /// This machine as well, if it is named: a literal loopback address or `localhost`, also by plain
    /// `http`. For a sidecar, a simulator, a test. Never for addresses that a tenant may choose.
    PublicAndThisMachine,
}

impl Networks {
    /// Whether an address that a name leads to may be connected to. Loopback, link-local (cloud
    /// metadata), multicast and reserved addresses never.
    #[must_use]
    pub fn allow(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.allow_v4(address),
            IpAddr::V6(address) => match carried(address) {
                Some(carried) => self.allow_v4(carried),
                None => self.allow_v6(address),
            },
        }
    }

    fn allow_v4(self, address: Ipv4Addr) -> bool {
        if address.is_private() {
            return self == Self::PublicAndPrivate;
        }
        let special = match address.octets() {
            // "This network", carriers' own, protocol assignments, benchmarking, 6to4 relays.
            [0, ..] | [198, 18 | 19, ..] | [192, 0, 0, _] | [192, 88, 99, _] => true,
            [100, second, ..] => (64..128).contains(&second),
            // A public address that every machine in Azure finds its own host's agent at.
            [168, 63, 129, 16] => true,
            // Reserved, and the limited broadcast.
            [first, ..] if first >= 240 => true,
            _ => false,
        };
        !(special
            || address.is_loopback()
            || address.is_link_local()
            || address.is_multicast()
            || address.is_documentation())
    }

    fn allow_v6(self, address: Ipv6Addr) -> bool {
        if address.is_unique_local() {
            // Amazon's metadata service has an address among these, and Google's.
            let is_metadata =
                matches!(address.segments()[..2], [0xfd00, 0x0ec2] | [0xfd20, 0x00ce]);
            return self == Self::PublicAndPrivate && !is_metadata;
        }
        let [first, second, ..] = address.segments();
        // Global unicast is 2000::/3. Within it: protocol assignments (Teredo and ORCHID among
        // them), and two ranges for documentation.
        let is_special = (first == 0x2001 && (second < 0x200 || second == 0xdb8))
            || (first == 0x3fff && second < 0x1000);
        first & 0xe000 == 0x2000 && !is_special
    }
}

/// The IPv4 address within an IPv6 one: mapped, compatible, NAT64, 6to4.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            pair(high, low)
        }
        [0x2002, high, low, ..] => pair(high, low),
        _ => None,
    }
}

/// Whether a URL may be fetched, as far as its text says: `https`, or plain `http` to this machine if
/// that is allowed; no user; no literal address that the networks do not allow.
pub(crate) fn allows_url(networks: Networks, url: &Url) -> bool {
    let no_user = url.username().is_empty() && url.password().is_none();
    let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    let is_here = match literal {
        Some(address) => IpAddr::is_loopback(&address),
        None => url.host_str() == Some("localhost"),
    };
    let allowed = match (url.scheme(), literal) {
        ("http" | "https", _) if is_here => networks == Networks::PublicAndThisMachine,
        ("https", Some(address)) => networks.allow(address),
        ("https", None) => url.host_str().is_some(),
        _ => false,
    };
    no_user && allowed
}

/// Resolves names with the system's resolver, and leaves out what may not be connected to.
#[derive(Debug)]
pub(crate) struct GuardedResolver {
    networks: Networks,
}

impl GuardedResolver {
    pub(crate) fn new(networks: Networks) -> Arc<Self> {
        Arc::new(Self { networks })
    }
}

/// The name resolves to nothing that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("no address that may be connected to")]
struct NowhereToGo;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let networks = self.networks;
        Box::pin(async move {
            let is_self =
                networks == Networks::PublicAndThisMachine && name.as_str() == "localhost";
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let is_good = |address: &SocketAddr| {
                if is_self { address.ip().is_loopback() } else { networks.allow(address.ip()) }
            };
            let good: Vec<SocketAddr> = found.filter(is_good).collect();
            if good.is_empty() {
                return Err(NowhereToGo.into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(networks: Networks, address: &str) -> bool {
        networks.allow(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_allowed() {
        for address in ["1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.32.0.1"] {
            assert!(allows(Networks::Public, address), "{address}");
        }
        for address in ["2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"] {
            assert!(allows(Networks::Public, address), "{address}");
        }
        assert!(allows(Networks::Public, "64:ff9b::1.1.1.1"));
    }

    /// What is written down here is what a name must not lead to, in every spelling.
    #[test]
    fn addresses_that_only_we_can_reach_are_not() {
        let never = [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "168.63.129.16",
            "5f00::1",
        ];
        for address in never {
            assert!(!allows(Networks::Public, address), "{address}");
            assert!(!allows(Networks::PublicAndPrivate, address), "{address}");
        }
        let private = [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "fd12:3456::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:a00:1::",
        ];
        for address in private {
            assert!(!allows(Networks::Public, address), "{address}");
            assert!(allows(Networks::PublicAndPrivate, address), "{address}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (address, allowed) in [
            ("https://id.example.com/jwks", true),
            ("https://1.1.1.1/jwks", true),
            ("https://127.0.0.1:8443/jwks", true),
            ("http://127.0.0.1:8080/jwks", true),
            ("http://0x7f.1:8080/jwks", true), // an odd spelling of 127.0.0.1, to the same end
            ("http://[::1]:8080/jwks", true),
            ("http://localhost/jwks", true),
            ("http://id.example.com/jwks", false),
            ("http://127.0.0.1.example.com/jwks", false),
            ("http://user@127.0.0.1/jwks", false),
            ("https://user:pass@id.example.com/jwks", false),
            ("https://169.254.169.254/latest/meta-data", false),
            ("https://[::ffff:169.254.169.254]/", false),
            ("https://0xa9fea9fe/", false),
            ("https://2852039166/", false),
            ("https://10.0.0.1/jwks", false),
            ("https://[fd00:ec2::254]/", false),
            ("http://10.0.0.1/jwks", false),
            ("file:///etc/passwd", false),
            ("gopher://127.0.0.1/", false),
            ("ftp://127.0.0.1/jwks", false),
        ] {
            let url = Url::parse(address).unwrap();
            assert_eq!(allows_url(Networks::PublicAndThisMachine, &url), allowed, "{address}");
            let anywhere =
                matches!(address, "https://id.example.com/jwks" | "https://1.1.1.1/jwks");
            assert_eq!(allows_url(Networks::Public, &url), anywhere, "{address}");
        }
    }

    /// A name is judged by what it resolves to, when it is resolved.
    #[tokio::test]
    async fn a_name_that_leads_home_leads_nowhere() {
        let guard = GuardedResolver::new(Networks::PublicAndThisMachine);
        let itself = guard.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(itself.into_iter().all(|address| address.ip().is_loopback()));
        let guard = GuardedResolver::new(Networks::Public);
        assert!(guard.resolve("localhost".parse().unwrap()).await.is_err());
        // The system's resolver takes these for addresses: to it they are names like any other.
        for name in ["127.0.0.1", "169.254.169.254", "10.1.2.3"] {
            assert!(guard.resolve(name.parse().unwrap()).await.is_err(), "{name}");
        }
        assert!(guard.resolve("1.1.1.1".parse().unwrap()).await.is_ok());
    }
}
