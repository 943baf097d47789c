//! What a listener serves: hosts, the place of the tenant's name, region, sub-protocols.

use cofferdam_core::TenantId;

use super::{BEARER_PROTOCOL, Target, protocol, target};
use crate::origin;

/// The rules of one listener.
///
/// A plain record, so that it can be written down with `..Rules::default()`, which asks for nothing
/// beyond the token; [`Policy::new`](super::Policy::new) checks it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The hosts that are served, lower-case, without a port. Empty: the host is not looked at.
    ///
    /// A request for any other host gets 421 (SECURITY U10): a client may send it over a connection
    /// that it opened for another name. It goes by each request, not by the connection.
    ///
    /// Proofs of possession ([`dpop`](crate::dpop)) need it, or [`TenantIn::HostBefore`]: a proof is
    /// for one service's address, and without a host of ours the address would be whatever the request
    /// says.
    pub hosts: Vec<String>,
    /// The port that peers know this listener by, which a proof of possession must name. `None` is
    /// that of `https`, 443.
    pub public_port: Option<u16>,
    /// Where the address names the tenant; nowhere by default.
    pub tenant: TenantIn,
    /// The region of this node, which every token must name. Without one, tokens of any region.
    pub region: Option<String>,
    /// The sub-protocols that the application speaks, the preferred one first.
    pub protocols: Vec<String>,
    /// Whether the token may stand among the sub-protocols ([`BEARER_PROTOCOL`]). `false` by
    /// default; it needs [`protocols`](Self::protocols), since one of those must be answered.
    pub token_in_protocol: bool,
}

/// Where an address names the tenant. The name only has to agree with the token's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TenantIn {
    /// Nowhere; the token alone does.
    #[default]
    Token,
    /// The segment after this path, such as `/tenants/`. It begins and ends with a slash. A path
    /// that does not begin with it names no tenant, and is refused.
    PathAfter(String),
    /// The label before this host, such as `events.example.com`. The hosts that are served are
    /// those with exactly one label before it.
    HostBefore(String),
}

/// Why rules were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRules {
    /// A host that no request names like that: upper case, a port, a trailing dot, or Unicode where
    /// Punycode is meant.
    #[error("a host is not a lower-case ascii name without a port")]
    Host,
    /// Hosts beside [`TenantIn::HostBefore`], which says already what is served.
    #[error("hosts are listed beside a host that names the tenant")]
    HostsTwice,
    /// A path that does not begin and end with a slash, or is not in its one spelling.
    #[error("the path before the tenant is not in its one spelling")]
    Path,
    /// An empty region.
    #[error("the region is empty")]
    Region,
    /// A sub-protocol that is not a token, stands twice, or could be taken for a credential.
    #[error("the sub-protocols are not different names of their own")]
    Protocols,
    /// A token among the sub-protocols, and none to answer with.
    #[error("a token in the sub-protocols needs a sub-protocol of the application")]
    TokenInProtocol,
}

impl Rules {
    pub(super) fn check(&self) -> Result<(), InvalidRules> {
        let own = match &self.tenant {
            TenantIn::HostBefore(host) if self.hosts.is_empty() => std::slice::from_ref(host),
            TenantIn::HostBefore(_) => return Err(InvalidRules::HostsTwice),
            _ => &self.hosts,
        };
        let sound_path = match &self.tenant {
            TenantIn::PathAfter(path) => {
                path.ends_with('/') && target::normal_path(path).is_ok_and(|normal| normal == *path)
            }
            _ => true,
        };
        let protocols = &self.protocols;
        let sound_protocols = protocols.iter().enumerate().all(|(at, name)| {
            protocol::is_token(name)
                && !name.starts_with(BEARER_PROTOCOL)
                && !protocols[..at].contains(name)
        });
        match () {
            () if !own.iter().all(|host| origin::is_host(host)) => Err(InvalidRules::Host),
            () if !sound_path => Err(InvalidRules::Path),
            () if self.region.as_deref() == Some("") => Err(InvalidRules::Region),
            () if !sound_protocols => Err(InvalidRules::Protocols),
            () if self.token_in_protocol && protocols.is_empty() => {
                Err(InvalidRules::TokenInProtocol)
            }
            () => Ok(()),
        }
    }

    /// Whether the address of this listener is ours to say, and not the request's.
    pub(super) fn has_address(&self) -> bool {
        !self.hosts.is_empty() || matches!(self.tenant, TenantIn::HostBefore(_))
    }

    /// Whether a host is served here, whoever's it is.
    pub(super) fn serves(&self, host: &str) -> bool {
        match &self.tenant {
            TenantIn::HostBefore(own) => label_before(host, own).is_some(),
            _ => self.hosts.is_empty() || self.hosts.iter().any(|own| own == host),
        }
    }
}

impl TenantIn {
    /// A01: whether the address names this tenant, where it must name one.
    ///
    /// Texts are compared, and a text that is no tenant's id equals none. So nothing is looked up,
    /// and a tenant that exists differs in nothing from one that does not.
    pub(super) fn agrees(&self, target: &Target, tenant: &TenantId) -> bool {
        match self {
            Self::Token => true,
            Self::PathAfter(path) => {
                let rest = target.path().strip_prefix(path.as_str());
                rest.and_then(|rest| rest.split('/').next()) == Some(tenant.as_str())
            }
            Self::HostBefore(own) => label_before(target.host(), own) == Some(tenant.as_str()),
        }
    }
}

/// The one label that stands before `own`.
fn label_before<'h>(host: &'h str, own: &str) -> Option<&'h str> {
    let label = host.strip_suffix(own)?.strip_suffix('.')?;
    (!label.contains('.')).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_rules_that_no_request_could_keep() {
        type Spoil = fn(&mut Rules);
        let cases: [(InvalidRules, Spoil); 15] = [
            (InvalidRules::Host, |r| r.hosts = vec!["Events.example.com".into()]),
            (InvalidRules::Host, |r| r.hosts = vec!["events.example.com:443".into()]),
            (InvalidRules::Host, |r| r.hosts = vec!["events.example.com.".into()]),
            (InvalidRules::Host, |r| r.hosts = vec!["bücher.example".into()]),
            (InvalidRules::Host, |r| r.tenant = TenantIn::HostBefore(String::new())),
            (InvalidRules::HostsTwice, |r| {
                r.tenant = TenantIn::HostBefore("example.com".into());
                r.hosts = vec!["events.example.com".into()];
            }),
            (InvalidRules::Path, |r| r.tenant = TenantIn::PathAfter(String::new())),
            (InvalidRules::Path, |r| r.tenant = TenantIn::PathAfter("/tenants".into())),
            (InvalidRules::Path, |r| r.tenant = TenantIn::PathAfter("tenants/".into())),
            (InvalidRules::Path, |r| r.tenant = TenantIn::PathAfter("/a/../".into())),
            (InvalidRules::Region, |r| r.region = Some(String::new())),
            (InvalidRules::Protocols, |r| r.protocols = vec!["a b".into()]),
            (InvalidRules::Protocols, |r| r.protocols = vec!["a".into(), "a".into()]),
            (InvalidRules::Protocols, |r| r.protocols = vec!["cofferdam.bearer.x".into()]),
            (InvalidRules::TokenInProtocol, |r| r.token_in_protocol = true),
        ];
        assert_eq!(Rules::default().check(), Ok(()));
        for (error, spoil) in cases {
            let mut rules = Rules::default();
            spoil(&mut rules);
            assert_eq!(rules.check(), Err(error), "{rules:?}");
        }
    }

    #[test]
    fn a_tenants_host_has_one_label_more() {
        let own = "events.example.com";
        assert_eq!(label_before("acme.events.example.com", own), Some("acme"));
        for host in [
            "events.example.com",
            "acmeevents.example.com",
            "a.acme.events.example.com",
            "acme.events.example.com.evil.example",
            "acme.example.com",
        ] {
            assert_eq!(label_before(host, own), None, "{host}");
        }
    }
}
