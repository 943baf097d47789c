//! One public key: read from a JWK (RFC 7517, 7518, 8037), checked, and parsed once.
//!
//! A key is only as good as its import. Libraries that read a JWK and ignore what it says of itself
//! verify tokens with encryption keys, with 512-bit RSA, or with Ed25519 points for which anybody
//! can sign anything. So a key here answers to exactly one algorithm, and is refused if its
//! mathematics is not sound:
//!
//! * RSA: 2,048 to 4,096 bits, e = 65,537, odd, and not of the family that one maker's smart cards
//!   generated (see [`is_roca`]);
//! * P-256: both coordinates 32 bytes, the point on the curve;
//! * Ed25519: 32 bytes in their one spelling, and not of small order. With a small-order key A,
//!   `[8]A` is the identity, and a signature of zeros verifies for a good part of all messages:
//!   aws-lc, like most, accepts it, so it must be kept out here.

use std::fmt;

use aws_lc_rs::{
    digest, rsa,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    Algorithm,
    json::{Object, Value},
};

/// A checked public key and the one algorithm that it is for.
pub(crate) struct Key {
    algorithm: Algorithm,
    public: ParsedPublicKey,
    /// Of an RSA key.
    modulus: Option<Box<[u8]>>,
    print: KeyPrint,
}

/// The SHA-256 of a public key's required members (RFC 7638): the same in every JWK of that key.
pub(crate) type Thumbprint = [u8; 32];

/// The first half of a SHA-256 over a key's algorithm and the key: which key an id stands for.
pub type KeyPrint = [u8; 16];

/// The key is one that we would use, and is not sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsound;

impl Key {
    /// Reads a JWK; `None` if it is sound but not for us: for encryption, or of another kind.
    pub(crate) fn import(jwk: &Object<'_>) -> Result<Option<Self>, Unsound> {
        if !is_for_verifying(jwk)? {
            return Ok(None);
        }
        let Some(algorithm) = algorithm(jwk)? else { return Ok(None) };
        Self::read(jwk, algorithm).map(Some)
    }

    /// Reads a JWK that must be for `algorithm`, whether it says so or not.
    pub(crate) fn import_for(jwk: &Object<'_>, algorithm: Algorithm) -> Result<Self, Unsound> {
        let named = match jwk.get("alg") {
            None => true,
            Some(alg) => alg.as_text() == Some(algorithm.name()),
        };
        if named && is_for_verifying(jwk)? && implied(jwk)?.is_some_and(|own| own.serves(algorithm))
        {
            Self::read(jwk, algorithm)
        } else {
            Err(Unsound)
        }
    }

    fn read(jwk: &Object<'_>, algorithm: Algorithm) -> Result<Self, Unsound> {
        let public = match algorithm {
            Algorithm::Es256 => p256_key(&bytes(jwk, "x")?, &bytes(jwk, "y")?),
            Algorithm::EdDsa | Algorithm::Ed25519 => ed25519_key(&bytes(jwk, "x")?),
            rsa => rsa_key(rsa, &bytes(jwk, "n")?, &bytes(jwk, "e")?),
        }?;
        let is_rsa = jwk.text("kty") == Some("RSA");
        let modulus = is_rsa.then(|| bytes(jwk, "n")).transpose()?.map(Vec::into_boxed_slice);
        let print = print_of(algorithm, public.as_ref());
        Ok(Self { algorithm, public, modulus, print })
    }

    /// The one algorithm that the key is for.
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether both are the same public key for the same algorithm.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.public.as_ref() == other.public.as_ref()
    }

    pub(crate) const fn print(&self) -> KeyPrint {
        self.print
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }

    /// Whether `signature` is refused before anything is computed, whatever the message: an RSA
    /// signature is a number below the modulus and as long (RFC 8017 sections 5.2.2 and 8.2.2).
    pub(crate) fn refuses_at_once(&self, signature: &[u8]) -> bool {
        let modulus = self.modulus.as_deref();
        modulus.is_some_and(|n| signature.len() != n.len() || signature >= n)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn print_of(algorithm: Algorithm, key: &[u8]) -> KeyPrint {
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(algorithm.name().as_bytes());
    digest.update(&[0]);
    digest.update(key);
    digest.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

/// What `use` and `key_ops` say, where they stand. Where both stand, both must agree.
fn is_for_verifying(jwk: &Object<'_>) -> Result<bool, Unsound> {
    let by_use = match jwk.get("use") {
        None => true,
        Some(value) => value.as_text().ok_or(Unsound)? == "sig",
    };
    let by_operations = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => {
            let mut verify = false;
            for operation in operations {
                let named = operation.as_text().ok_or(Unsound)? == "verify";
                // RFC 7517 section 4.3: no operation twice.
                if named && verify {
                    return Err(Unsound);
                }
                verify |= named;
            }
            verify
        }
        Some(_) => return Err(Unsound),
    };
    Ok(by_use && by_operations)
}

/// What type and curve imply.
fn implied(jwk: &Object<'_>) -> Result<Option<Algorithm>, Unsound> {
    Ok(match (jwk.text("kty").ok_or(Unsound)?, jwk.text("crv")) {
        ("RSA", None) => Some(Algorithm::Rs256),
        ("EC", Some("P-256")) => Some(Algorithm::Es256),
        ("OKP", Some("Ed25519")) => Some(Algorithm::EdDsa),
        _ => None,
    })
}

/// The one algorithm of a key: what `alg` says, if type and curve agree; else what they imply.
fn algorithm(jwk: &Object<'_>) -> Result<Option<Algorithm>, Unsound> {
    let implied = implied(jwk)?;
    let Some(named) = jwk.get("alg") else { return Ok(implied) };
    let Some(named) = Algorithm::from_name(named.as_text().ok_or(Unsound)?) else {
        return Ok(None);
    };
    if implied.is_some_and(|implied| implied.serves(named)) {
        Ok(Some(named))
    } else {
        Err(Unsound)
    }
}

/// The thumbprint of a JWK (RFC 7638 section 3). Its members were imported, so they are base64url in
/// its one spelling, and nothing in them needs an escape.
pub(crate) fn thumbprint(jwk: &Object<'_>) -> Option<Thumbprint> {
    let member = |name: &str| jwk.text(name);
    let (kty, crv) = (member("kty")?, member("crv"));
    let members = match kty {
        "RSA" => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, member("e")?, member("n")?),
        "EC" => {
            let (x, y) = (member("x")?, member("y")?);
            format!(r#"{{"crv":"{}","kty":"EC","x":"{x}","y":"{y}"}}"#, crv?)
        }
        _ => format!(r#"{{"crv":"{}","kty":"{kty}","x":"{}"}}"#, crv?, member("x")?),
    };
    digest::digest(&digest::SHA256, members.as_bytes()).as_ref().try_into().ok()
}

fn bytes(jwk: &Object<'_>, name: &str) -> Result<Vec<u8>, Unsound> {
    let text = jwk.text(name).ok_or(Unsound)?;
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Unsound)
}

/// The fewest and the most bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

fn rsa_key(
    algorithm: Algorithm,
    modulus: &[u8],
    exponent: &[u8],
) -> Result<ParsedPublicKey, Unsound> {
    let (Some(&first), Some(&last)) = (modulus.first(), modulus.last()) else {
        return Err(Unsound);
    };
    let bits = (modulus.len() * 8).saturating_sub(first.leading_zeros() as usize);
    let sound =
        RSA_BITS.contains(&bits) && last % 2 == 1 && exponent == [1, 0, 1] && !is_roca(modulus);
    let Some(parameters) = algorithm.rsa().filter(|_| sound) else { return Err(Unsound) };
    // This refuses leading zero bytes, which would be a second spelling (RFC 7518 section 6.3.1.1).
    rsa::PublicKeyComponents { n: modulus, e: exponent }
        .to_parsed_public_key(parameters)
        .map_err(|_| Unsound)
}

fn p256_key(x: &[u8], y: &[u8]) -> Result<ParsedPublicKey, Unsound> {
    // Parsing counts the bytes of both, and cannot see where one ends.
    if x.len() != 32 {
        return Err(Unsound);
    }
    // SEC 1 section 2.3.3: 4 says that both coordinates follow. Parsing checks the curve equation.
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4][..], x, y].concat()).map_err(|_| Unsound)
}

fn ed25519_key(x: &[u8]) -> Result<ParsedPublicKey, Unsound> {
    let point: &[u8; 32] = x.try_into().map_err(|_| Unsound)?;
    if is_weak_point(point) {
        return Err(Unsound);
    }
    ParsedPublicKey::new(&ED25519, point).map_err(|_| Unsound)
}

/// The `y` of the points of order 1, 2, 4 and 8 of Curve25519's twisted Edwards form, little-endian
/// and without the sign bit of `x`: 1, -1, 0, and the two of order 8.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    small_y(1),
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    small_y(0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

const fn small_y(y: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = y;
    bytes
}

/// Whether the point is of small order, or not in its one spelling (y below 2^255 - 19).
fn is_weak_point(point: &[u8; 32]) -> bool {
    let mut y = *point;
    y[31] &= 0x7f;
    // 2^255 - 19 is ed, then thirty bytes ff, then 7f: only the first byte decides past that.
    let canonical = y[31] != 0x7f || y[1..31].iter().any(|&b| b != 0xff) || y[0] < 0xed;
    !canonical || SMALL_ORDER_Y.contains(&y)
}

/// The primes up to 167, without 2.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus carries the mark of CVE-2017-15361, whose keys can be factored.
///
/// The faulty library took primes of the form k * M + (65537^a mod M), M a product of small primes.
/// So its moduli are powers of 65,537 modulo every small prime; a random modulus is that for all 38
/// of them about once in 2^27 (Nemec and others, "The Return of Coppersmith's Attack", CCS 2017).
fn is_roca(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| {
        let rest = modulus.iter().fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            power = power * 65_537 % prime;
            power == rest
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn import(jwk: &str) -> Result<Option<Algorithm>, Unsound> {
        Ok(Key::import(&json::read(jwk.as_bytes()).unwrap())?.map(|key| key.algorithm()))
    }

    fn b64(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn ed25519(x: &[u8], rest: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"{rest}}}"#, b64(x))
    }

    /// The public key of RFC 8032 section 7.1, test 1.
    const GOOD_POINT: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07,
        0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
        0x51, 0x1a,
    ];

    #[test]
    fn a_key_answers_to_the_one_algorithm_it_names() {
        let named = |rest: &str| import(&ed25519(&GOOD_POINT, rest));
        assert_eq!(named(""), Ok(Some(Algorithm::EdDsa)));
        assert_eq!(named(r#","alg":"EdDSA""#), Ok(Some(Algorithm::EdDsa)));
        assert_eq!(named(r#","alg":"Ed25519""#), Ok(Some(Algorithm::Ed25519)));
        assert_eq!(named(r#","alg":"ES256""#), Err(Unsound));
        assert_eq!(named(r#","alg":"ES512""#), Ok(None));
        assert_eq!(named(r#","alg":7"#), Err(Unsound));
    }

    /// A06: a modulus serves one of its algorithms, the one that the key names.
    #[test]
    fn an_rsa_key_that_names_nothing_is_for_rs256() {
        let n = [0xff; 256];
        let named =
            |alg: &str| import(&format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"{alg}}}"#, b64(&n)));
        assert_eq!(named(""), Ok(Some(Algorithm::Rs256)));
        for algorithm in Algorithm::ALL {
            let expected =
                if algorithm.rsa().is_some() { Ok(Some(*algorithm)) } else { Err(Unsound) };
            assert_eq!(named(&format!(r#","alg":"{}""#, algorithm.name())), expected);
        }
        assert_eq!(named(r#","alg":"RSA-OAEP""#), Ok(None));
    }

    /// X01.
    #[test]
    fn an_rsa_key_refuses_at_once_what_is_no_number_below_its_modulus() {
        let key = |jwk: &str| Key::import(&json::read(jwk.as_bytes()).unwrap()).unwrap().unwrap();
        let mut n = [0xc5; 256];
        let rsa = key(&format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, b64(&n)));
        assert!(rsa.refuses_at_once(&n) && rsa.refuses_at_once(&[0xff; 256]));
        assert!(rsa.refuses_at_once(&[1; 255]) && rsa.refuses_at_once(&[0; 257]));
        n[255] -= 1;
        assert!(!rsa.refuses_at_once(&n) && !rsa.refuses_at_once(&[0; 256]));
        assert!(!key(&ed25519(&GOOD_POINT, "")).refuses_at_once(&[0xff; 64]));
    }

    #[test]
    fn a_key_for_anything_but_verifying_is_left_out() {
        let named = |rest: &str| import(&ed25519(&GOOD_POINT, rest));
        assert_eq!(named(r#","use":"sig","key_ops":["verify"]"#), Ok(Some(Algorithm::EdDsa)));
        for rest in [
            r#","use":"enc""#,
            r#","use":"SIG""#,
            r#","key_ops":[]"#,
            r#","key_ops":["encrypt"]"#,
            r#","use":"sig","key_ops":["sign"]"#,
            r#","use":"enc","key_ops":["verify"]"#,
        ] {
            assert_eq!(named(rest), Ok(None), "{rest}");
        }
        for rest in [r#","use":1"#, r#","key_ops":"verify""#, r#","key_ops":["verify","verify"]"#] {
            assert_eq!(named(rest), Err(Unsound), "{rest}");
        }
        assert_eq!(import(r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#), Ok(None));
        assert_eq!(import(r#"{"kty":"new"}"#), Ok(None));
        assert_eq!(import(r#"{"crv":"P-256"}"#), Err(Unsound));
    }

    /// CRATES 2.4 item 6: one of these keys makes zeros a signature of everything.
    #[test]
    fn refuses_every_spelling_of_a_weak_point() {
        let mut refused = 0;
        let above_p = (0xed..=0xff).map(|low| {
            let mut y = SMALL_ORDER_Y[1];
            y[0] = low;
            y
        });
        for y in SMALL_ORDER_Y.into_iter().chain(above_p) {
            for sign in [0, 0x80] {
                let mut point = y;
                point[31] |= sign;
                assert_eq!(import(&ed25519(&point, "")), Err(Unsound), "{point:x?}");
                refused += 1;
            }
        }
        assert_eq!(refused, 48);
    }

    /// Written out once more: a test that takes the table's word for itself cannot find it wrong.
    #[test]
    fn a_point_is_weak_for_its_order_or_its_spelling_alone() {
        let point = |first: u8, middle: u8, last: u8| {
            let mut y = [middle; 32];
            (y[0], y[31]) = (first, last);
            y
        };
        for weak in [(0, 0, 0), (1, 0, 0), (0xec, 0xff, 0x7f), (0xed, 0xff, 0x7f)] {
            assert!(is_weak_point(&point(weak.0, weak.1, weak.2)), "{weak:x?}");
        }
        for sound in
            [(2, 0, 0), (0xeb, 0xff, 0x7f), (0xff, 0xff, 0x7e), (0xff, 0, 0x7f), (0xff, 0xfe, 0x7f)]
        {
            assert!(!is_weak_point(&point(sound.0, sound.1, sound.2)), "{sound:x?}");
        }
        assert!(is_weak_point(&SMALL_ORDER_Y[0]) && is_weak_point(&SMALL_ORDER_Y[2]));
    }

    /// A06: whatever else stands in it, a key is of the type that it says.
    #[test]
    fn a_key_of_two_types_is_none() {
        let (n, point) = (b64(&[0xff; 256]), b64(&[0; 32]));
        let parts = format!(r#""n":"{n}","e":"AQAB","x":"{}","y":"{point}""#, b64(&GOOD_POINT));
        for (kty, alg) in [
            (r#""kty":"RSA""#, "EdDSA"),
            (r#""kty":"RSA""#, "ES256"),
            (r#""kty":"EC","crv":"P-256""#, "RS256"),
            (r#""kty":"EC","crv":"P-256""#, "EdDSA"),
            (r#""kty":"OKP","crv":"Ed25519""#, "PS256"),
            (r#""kty":"OKP","crv":"Ed25519""#, "RS256"),
        ] {
            assert_eq!(
                import(&format!(r#"{{{kty},"alg":"{alg}",{parts}}}"#)),
                Err(Unsound),
                "{alg}"
            );
        }
    }

    #[test]
    fn a_keys_print_is_its_own_and_nothing_else_is_shown() {
        let key = |jwk: &str| Key::import(&json::read(jwk.as_bytes()).unwrap()).unwrap().unwrap();
        let own = key(&ed25519(&GOOD_POINT, r#","kid":"a""#));
        assert_eq!(own.print(), key(&ed25519(&GOOD_POINT, r#","kid":"b""#)).print());
        let other = key(&ed25519(&GOOD_POINT, r#","alg":"Ed25519""#));
        assert_ne!(own.print(), other.print(), "for another algorithm");
        assert_ne!(own.print(), [0; 16]);
        let shown = format!("{own:?}");
        assert!(shown.starts_with("Key") && !shown.contains("215, 90"), "{shown}");
    }

    #[test]
    fn an_ed25519_key_is_32_bytes() {
        for length in [0, 31, 33, 64] {
            let bytes: Vec<u8> = GOOD_POINT.iter().copied().cycle().take(length).collect();
            assert_eq!(import(&ed25519(&bytes, "")), Err(Unsound), "{length}");
        }
        assert!(import(&ed25519(&GOOD_POINT, "")).is_ok());
    }

    #[test]
    fn an_rsa_modulus_is_of_2048_to_4096_bits_and_odd_with_the_one_exponent() {
        // No product of two primes, which no importer can see; what it can see is sound.
        let modulus = |bits: usize| {
            let mut n = vec![0xff; bits.div_ceil(8)];
            n[0] >>= (8 - bits % 8) % 8;
            n
        };
        let jwk = |n: &[u8], e: &[u8]| {
            import(&format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, b64(n), b64(e)))
        };
        for (bits, accepted) in
            [(512, false), (2_047, false), (2_048, true), (4_096, true), (4_097, false)]
        {
            assert_eq!(jwk(&modulus(bits), &[1, 0, 1]).is_ok(), accepted, "{bits}");
        }
        let good = modulus(2_048);
        for exponent in [&[][..], &[1], &[3], &[0, 1, 0, 1], &[1, 0, 0], &[1, 0, 1, 0]] {
            assert!(jwk(&good, exponent).is_err(), "{exponent:?}");
        }
        assert!(jwk(&[&[0][..], &good].concat(), &[1, 0, 1]).is_err(), "a second spelling");
        let mut even = good;
        even[255] = 0xfe;
        assert!(jwk(&even, &[1, 0, 1]).is_err());
        assert!(jwk(&[], &[1, 0, 1]).is_err());
    }

    #[test]
    fn a_p256_point_is_two_full_coordinates_on_the_curve() {
        // The generator, SEC 2 section 2.4.2.
        let g: Vec<u8> = (0..64)
            .map(|i| {
                let hex = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                           4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
                u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()
            })
            .collect();
        let jwk = |x: &[u8], y: &[u8]| {
            import(&format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, b64(x), b64(y)))
        };
        assert_eq!(jwk(&g[..32], &g[32..]), Ok(Some(Algorithm::Es256)));
        assert_eq!(jwk(&g[..32], &g[..32]), Err(Unsound));
        assert_eq!(jwk(&g[..31], &g[32..]), Err(Unsound));
        assert_eq!(jwk(&g[..31], &g[31..]), Err(Unsound), "64 bytes in all, cut elsewhere");
        assert_eq!(jwk(&[&[0], &g[..32]].concat(), &g[32..]), Err(Unsound));
        assert_eq!(jwk(&[0; 32], &[0; 32]), Err(Unsound));
    }
}
