//! One proof: its form, its signature, and what it names.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use cofferdam_core::Reason;

use super::seen::ProofId;
use crate::{
    Algorithm,
    claims::time,
    json::{self, Object, Value},
    jws::Parts,
    key::{Key, Thumbprint, thumbprint},
    key_set::PRIVATE_MEMBERS,
    upgrade::target,
};

/// The longest id of a proof, in bytes.
const MAX_ID: usize = 256;

/// Header members whose mere presence refuses a proof.
const REFUSED_MEMBERS: &[&str] = &["crit", "b64", "jku", "x5u", "x5c", "enc", "zip"];

/// The proof that a request carries, and the request that it must be for.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Proof<'p> {
    jwt: &'p str,
    method: &'p str,
    uri: &'p str,
}

/// What a sound proof says, as far as it takes a clock or a memory to judge.
pub(super) struct Proved {
    pub(super) id: ProofId,
    pub(super) issued_at_ms: i64,
    /// `nbf` and `exp`, which a holder may set.
    pub(super) not_before_ms: Option<i64>,
    pub(super) expires_at_ms: Option<i64>,
    pub(super) nonce: Option<String>,
}

impl<'p> Proof<'p> {
    /// The value of the one `DPoP` header, and what the proof must name: the request's method, and the
    /// address that this service has for its peers, with `https://`, host and path.
    ///
    /// The address must be *ours*, from configuration, and not what the request says in `Host`: a
    /// proof is bound to an address so that a service which was shown it cannot play it on to another.
    ///
    /// Addresses are compared in one spelling: host in lower case, no port where it is 443, escapes of
    /// the path in upper case, no query, no fragment. The proof may say `wss://` for `https://`, as the
    /// client of a WebSocket knows it, and `GET` for the extended `CONNECT` of HTTP/2 (RFC 8441), as
    /// it signs before it knows the version.
    #[must_use]
    pub const fn new(jwt: &'p str, method: &'p str, uri: &'p str) -> Self {
        Self { jwt, method, uri }
    }

    /// Everything about the proof that is the same at any time: that the holder of this key made it,
    /// for this request, with this token.
    pub(super) fn check(&self, token: &str, holder: &Thumbprint) -> Result<Proved, Reason> {
        self.read(token, holder).ok_or(Reason::ProofRefused)
    }

    fn read(&self, token: &str, holder: &Thumbprint) -> Option<Proved> {
        let parts = Parts::split(self.jwt).ok()?;
        let header = json::read(&parts.header).ok()?;
        let key = key_of(&header, holder)?;
        if key.refuses_at_once(&parts.signature)
            || !key.verify(parts.signing_input, &parts.signature)
        {
            return None;
        }
        let claims = json::read(&parts.payload).ok()?;
        let names_this = self.is_by(claims.text("htm")?)
            && self.is_for(claims.text("htu")?)
            && claims.text("ath") == Some(hash_of(token).as_str());
        if !names_this {
            return None;
        }
        let nonce = match claims.get("nonce") {
            None => None,
            Some(nonce) => Some(nonce.as_text()?.to_owned()),
        };
        let id = claims.text("jti").filter(|id| (1..=MAX_ID).contains(&id.len()))?;
        Some(Proved {
            id: proof_id(holder, id),
            issued_at_ms: time(&claims, "iat").ok()??,
            not_before_ms: time(&claims, "nbf").ok()?,
            expires_at_ms: time(&claims, "exp").ok()?,
            nonce,
        })
    }

    fn is_by(&self, htm: &str) -> bool {
        htm == self.method || (self.method == "CONNECT" && htm == "GET")
    }

    fn is_for(&self, htu: &str) -> bool {
        let own = self.uri.strip_prefix("https://").and_then(target::normal_address);
        let named = htu.strip_prefix("https://").or_else(|| htu.strip_prefix("wss://"));
        own.is_some() && own == named.and_then(target::normal_address)
    }
}

/// The public key that the header brings along, if it is the one that it must be.
fn key_of(header: &Object<'_>, holder: &Thumbprint) -> Option<Key> {
    let is_proof = header.text("typ") == Some("dpop+jwt") && !header.has_any(REFUSED_MEMBERS);
    let algorithm = Algorithm::from_name(header.text("alg")?)?;
    let Some(Value::Object(jwk)) = header.get("jwk") else { return None };
    // Whoever shows the private half has no key of his own any more.
    if !is_proof || !Algorithm::DEFAULT.contains(&algorithm) || jwk.has_any(PRIVATE_MEMBERS) {
        return None;
    }
    let key = Key::import_for(jwk, algorithm).ok()?;
    (thumbprint(jwk)? == *holder).then_some(key)
}

/// RFC 9449 section 4.2: what `ath` must be.
fn hash_of(token: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

/// The thumbprint has a fixed length, so the two cannot run into each other.
fn proof_id(holder: &Thumbprint, id: &str) -> ProofId {
    let whole = digest(&SHA256, &[holder, id.as_bytes()].concat());
    whole.as_ref().first_chunk().copied().unwrap_or_default()
}

/// Shows the request, and nothing of the proof.
impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof").field("method", &self.method).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9449 section 7.1: an access token, and the proof that comes with it.
    const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
        VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09r\
        X282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS\
        2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWR\
        yZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS\
        0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfx\
        SYoMxhAJpLjA";
    /// RFC 9449 section 6.1.
    const HOLDER: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    fn thumbprint_of(text: &str) -> Thumbprint {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn takes_the_proof_that_the_rfc_shows() {
        let holder = thumbprint_of(HOLDER);
        let uri = "https://resource.example.org/protectedresource";
        let proved = Proof::new(PROOF, "GET", uri).check(TOKEN, &holder).unwrap();
        assert_eq!((proved.issued_at_ms, proved.nonce), (1_562_262_618_000, None));
        // A14: with another method, address, token or key it proves nothing.
        let check = |method: &str, uri: &str, token: &str, holder: &Thumbprint| {
            Proof::new(PROOF, method, uri).check(token, holder).err()
        };
        let refused = Some(Reason::ProofRefused);
        assert_eq!(check("POST", uri, TOKEN, &holder), refused);
        assert_eq!(check("get", uri, TOKEN, &holder), refused);
        assert_eq!(check("GET", "https://resource.example.org/", TOKEN, &holder), refused);
        assert_eq!(check("GET", uri, "Kz~8", &holder), refused);
        assert_eq!(check("GET", uri, TOKEN, &[0; 32]), refused);
    }

    #[test]
    fn an_address_is_compared_whole_and_in_one_spelling() {
        let proof = Proof::new("", "GET", "https://a.example:8443/q%3Ax");
        for same in [
            "https://a.example:8443/q%3Ax",
            "wss://a.example:8443/q%3Ax",
            "https://A.Example:8443/q%3ax",
            "https://a.example:8443/q%3Ax?y#z",
            "https://a.example:8443/q%3Ax#z",
        ] {
            assert!(proof.is_for(same), "{same}");
        }
        for other in [
            "http://a.example:8443/q%3Ax",
            "ws://a.example:8443/q%3Ax",
            "a.example:8443/q%3Ax",
            "https://a.example/q%3Ax",
            "https://a.example:443/q%3Ax",
            "https://b.example:8443/q%3Ax",
            "https://a.example:8443/q:x",
            "https://a.example:8443/Q%3Ax",
            "https://a.example:8443/q%3Ax/",
            "https://user@a.example:8443/q%3Ax",
            "HTTPS://a.example:8443/q%3Ax",
            "https://wss://a.example:8443/q%3Ax",
            "https://",
            "",
        ] {
            assert!(!proof.is_for(other), "{other}");
        }
        let root = Proof::new("", "GET", "https://a.example/");
        assert!(root.is_for("https://a.example") && root.is_for("https://a.example:443/?x"));
        assert!(!root.is_for("https://a.example:8443") && !root.is_for("https://a.example/x"));
        // An address of ours that is none is nobody's.
        assert!(!Proof::new("", "GET", "").is_for(""));
    }

    #[test]
    fn a_client_that_does_not_know_the_version_of_http_says_get() {
        let by = |method, htm| Proof::new("", method, "").is_by(htm);
        assert!(by("CONNECT", "GET") && by("CONNECT", "CONNECT") && by("GET", "GET"));
        assert!(!by("GET", "CONNECT") && !by("CONNECT", "POST") && !by("GET", "get"));
    }

    /// RFC 7638 section 3.1, RFC 8037 appendix A.3, and the key of [`PROOF`].
    #[test]
    fn thumbprints_are_those_that_the_rfcs_show() {
        let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        let okp =
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let ec = r#"{"y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","use":"sig"}"#;
        for (jwk, expected) in [
            (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
            (okp, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
            (ec, HOLDER),
        ] {
            let jwk = json::read(jwk.as_bytes()).unwrap();
            assert_eq!(thumbprint(&jwk), Some(thumbprint_of(expected)));
        }
    }
}
