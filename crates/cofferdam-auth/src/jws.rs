//! The compact serialization of RFC 7515, and nothing else of it.
//!
//! A token is three parts of canonical, unpadded base64url between exactly two dots. Everything
//! that makes one token spell another, or that lets a token bring its own key or its own rules, is
//! refused before a signature is looked at:
//!
//! * size first: a token over [`MAX_TOKEN`] is not even scanned, a header over [`MAX_HEADER`] not
//!   read (A11);
//! * base64url has one spelling: no padding, no white space, no stray bits in the last character
//!   (A12);
//! * the header's JSON is read strictly (see [`json`]), and must hold `alg`, `typ` and `kid`;
//! * `jwk`, `jku`, `x5c` and `x5u` name the attacker's key, `crit` and `b64` change the rules
//!   (RFC 7797), `enc` and `zip` belong to encryption: their presence refuses the token (A07).
//!
//! A [`Compact`] is readable, not believable: only a signature makes it a credential.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use cofferdam_core::Reason;

use crate::{Algorithm, json};

/// The longest token in bytes.
pub(crate) const MAX_TOKEN: usize = 8 * 1024;
/// The longest header in bytes, decoded.
pub(crate) const MAX_HEADER: usize = 1024;
/// The longest key id in bytes.
pub(crate) const MAX_KEY_ID: usize = 128;

/// Header members whose mere presence refuses a token.
const REFUSED_MEMBERS: &[&str] = &["crit", "b64", "jku", "jwk", "x5u", "x5c", "enc", "zip"];

/// A token whose form is sound.
#[derive(Debug)]
pub(crate) struct Compact<'t> {
    signing_input: &'t [u8],
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What the header says: which key, which algorithm, which kind of token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: String,
    pub(crate) token_type: String,
}

impl<'t> Compact<'t> {
    /// Reads the form of `token`.
    pub(crate) fn parse(token: &'t str) -> Result<Self, Reason> {
        let parts = Parts::split(token)?;
        Ok(Self {
            header: Header::read(&parts.header)?,
            signing_input: parts.signing_input,
            payload: parts.payload,
            signature: parts.signature,
        })
    }

    /// The bytes that the signature covers.
    pub(crate) const fn signing_input(&self) -> &'t [u8] {
        self.signing_input
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// The three parts, decoded.
#[derive(Debug)]
pub(crate) struct Parts<'t> {
    pub(crate) signing_input: &'t [u8],
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl<'t> Parts<'t> {
    pub(crate) fn split(token: &'t str) -> Result<Self, Reason> {
        if token.len() > MAX_TOKEN {
            return Err(Reason::CredentialMalformed);
        }
        let (signing_input, signature) =
            token.rsplit_once('.').ok_or(Reason::CredentialMalformed)?;
        // A third dot would stand in the payload, where base64url has none: decoding refuses it.
        let (header, payload) = signing_input.split_once('.').ok_or(Reason::CredentialMalformed)?;
        let header = decode(header)?;
        if header.len() > MAX_HEADER {
            return Err(Reason::CredentialMalformed);
        }
        Ok(Self {
            signing_input: signing_input.as_bytes(),
            header,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }
}

impl Header {
    fn read(text: &[u8]) -> Result<Self, Reason> {
        let members = json::read(text).map_err(|_| Reason::CredentialMalformed)?;
        if members.has_any(REFUSED_MEMBERS) {
            return Err(Reason::CredentialMalformed);
        }
        let name = members.text("alg").ok_or(Reason::CredentialMalformed)?;
        let algorithm = Algorithm::from_name(name).ok_or(Reason::AlgorithmRefused)?;
        let token_type = members.text("typ").ok_or(Reason::WrongTokenType)?.to_owned();
        let key_id = members.text("kid").filter(|kid| is_key_id(kid));
        let key_id = key_id.ok_or(Reason::CredentialMalformed)?.to_owned();
        Ok(Self { algorithm, key_id, token_type })
    }
}

/// Whether `text` has the form of a key id: 1 to [`MAX_KEY_ID`] of `A-Z a-z 0-9 _ -`. Anything
/// else (a path, a query, a quote) has been an injection somewhere.
pub(crate) fn is_key_id(text: &str) -> bool {
    (1..=MAX_KEY_ID).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// Canonical unpadded base64url: every byte string has exactly one spelling.
fn decode(text: &str) -> Result<Vec<u8>, Reason> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Reason::CredentialMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        format!("{}.{}.{}", encode(header.as_bytes()), encode(b"{}"), encode(b"sig"))
    }

    const SOUND: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#;

    #[test]
    fn reads_a_sound_token() {
        let text = token(SOUND);
        let compact = Compact::parse(&text).unwrap();
        let expected = Header {
            algorithm: Algorithm::Es256,
            key_id: "k1".into(),
            token_type: "at+jwt".into(),
        };
        assert_eq!(compact.header(), &expected);
        assert_eq!(compact.payload(), b"{}");
        assert_eq!(compact.signature(), b"sig");
        assert_eq!(compact.signing_input(), text.rsplit_once('.').unwrap().0.as_bytes());
    }

    /// A06, A07, A09: what a header must not hold, and what it must.
    #[test]
    fn refuses_headers_that_bring_their_own_rules() {
        use Reason::{AlgorithmRefused, CredentialMalformed, WrongTokenType};
        let mut cases = vec![
            (r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#.to_owned(), AlgorithmRefused),
            (r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#.to_owned(), AlgorithmRefused),
            (r#"{"alg":["ES256"],"typ":"at+jwt","kid":"k1"}"#.to_owned(), CredentialMalformed),
            (r#"{"typ":"at+jwt","kid":"k1"}"#.to_owned(), CredentialMalformed),
            (r#"{"alg":"ES256","kid":"k1"}"#.to_owned(), WrongTokenType),
            (r#"{"alg":"ES256","typ":1,"kid":"k1"}"#.to_owned(), WrongTokenType),
            (r#"{"alg":"ES256","typ":"at+jwt"}"#.to_owned(), CredentialMalformed),
            (r#"{"alg":"ES256","typ":"at+jwt","kid":7}"#.to_owned(), CredentialMalformed),
            (
                r#"{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k1"}"#.into(),
                CredentialMalformed,
            ),
            (
                r#"{"alg":"ES256","\u0061lg":"none","typ":"at+jwt","kid":"k"}"#.into(),
                CredentialMalformed,
            ),
        ];
        for member in REFUSED_MEMBERS {
            let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"k1","{member}":null}}"#);
            cases.push((header, CredentialMalformed));
        }
        for (header, reason) in cases {
            assert_eq!(Compact::parse(&token(&header)).err(), Some(reason), "{header}");
        }
    }

    /// A12: JSON serialization, JWE, padding, other alphabets, stray bits, other numbers of parts.
    #[test]
    fn refuses_every_other_form() {
        let sound = token(SOUND);
        let (input, _) = sound.rsplit_once('.').unwrap();
        let (header, _) = input.split_once('.').unwrap();
        let cases = [
            String::new(),
            ".".into(),
            "..".into(),
            header.into(),
            input.into(),
            format!("{sound}."),
            format!(".{sound}"),
            format!("{header}..e30.AA"),
            format!("{sound}.AA.AA"),
            format!("{input}.AA=="),
            format!("{input}.AB"),
            format!("{input}.A"),
            format!("{input}.+/"),
            format!("{input}.AA\n"),
            format!(" {sound}"),
            r#"{"payload":"e30","signatures":[]}"#.into(),
        ];
        for case in cases {
            assert_eq!(Compact::parse(&case).err(), Some(Reason::CredentialMalformed), "{case:?}");
        }
    }

    /// A11: sizes at and past the limit.
    #[test]
    fn refuses_what_is_too_large() {
        let padded = |size: usize| {
            let filler = "x".repeat(size - SOUND.len() - r#","f":"""#.len());
            token(&format!(r#"{},"f":"{filler}"}}"#, &SOUND[..SOUND.len() - 1]))
        };
        assert!(Compact::parse(&padded(MAX_HEADER)).is_ok());
        assert!(Compact::parse(&padded(MAX_HEADER + 1)).is_err());
        assert!(Compact::parse(&padded(MAX_HEADER + 400)).is_err());
        // With a signature as long as it takes, which is of no good length for one header in four.
        let filled = |size: usize, header: usize| {
            let sound = padded(SOUND.len() + 8 + header);
            let (input, _) = sound.rsplit_once('.').unwrap();
            Compact::parse(&format!("{input}.{}", "A".repeat(size - input.len() - 1))).is_ok()
        };
        assert!((0..4).any(|header| filled(MAX_TOKEN, header)));
        assert!(!(0..4).any(|header| filled(MAX_TOKEN + 1, header)));
        assert!(Compact::parse(&"A".repeat(2_700_000)).is_err());
    }

    #[test]
    fn a_key_id_is_short_and_plain() {
        assert!(is_key_id("A-z_09") && is_key_id(&"k".repeat(MAX_KEY_ID)));
        for bad in ["", "a.b", "a b", "../k", "k=", "é", "k\0", &"k".repeat(MAX_KEY_ID + 1)] {
            assert!(!is_key_id(bad), "{bad:?}");
        }
    }
}
