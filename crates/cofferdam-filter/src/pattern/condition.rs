//! What a pattern asks of one value.

use core::net::IpAddr;

use memchr::memmem;

/// Something that is asked of a value and is not the value itself.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// Is there at all: `null` is.
    Exists,
    Prefix(Affix),
    Suffix(Affix),
    EqualsIgnoringCase(Box<[u8]>),
    Wildcard(Glob),
    Within(Range),
    Cidr(Block),
}

/// How a text begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Affix {
    /// Folded, if case is to be ignored.
    pub(crate) text: Box<[u8]>,
    pub(crate) ignores_case: bool,
}

/// Folds `text` for comparisons that ignore case: each character by itself is put in lower case, without
/// regard to language or place, so that the last sigma of a word is no other sigma's like, and `ß` is
/// not `ss`. `None` for bytes that are no text.
pub(crate) fn fold<'b>(text: &[u8], buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
    buffer.clear();
    if text.is_ascii() {
        buffer.extend(text.iter().map(u8::to_ascii_lowercase));
        return Some(buffer);
    }
    for folded in core::str::from_utf8(text).ok()?.chars().flat_map(char::to_lowercase) {
        buffer.extend_from_slice(folded.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(buffer)
}

/// Text with gaps: what stands between stars.
///
/// The first piece must stand at the beginning, the last one at the end, and each of the others at the
/// first place behind the one before it. A later place never helps, so nothing is ever tried twice,
/// and the time is that of the text's length.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    first: Box<[u8]>,
    between: Box<[memmem::Finder<'static>]>,
    /// `None` if there is no star: then `first` is all.
    last: Option<Box<[u8]>>,
}

impl Glob {
    /// `*` is any text; `\*` and `\\` are the two characters. `None` for another escape, or two stars in a
    /// row, which EventBridge refuses.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut pieces = vec![Vec::new()];
        let mut bytes = text.bytes();
        let mut behind_star = false;
        while let Some(byte) = bytes.next() {
            match byte {
                b'*' if behind_star => return None,
                b'*' => pieces.push(Vec::new()),
                b'\\' => {
                    let escaped = bytes.next().filter(|byte| matches!(byte, b'*' | b'\\'))?;
                    pieces.last_mut()?.push(escaped);
                }
                other => pieces.last_mut()?.push(other),
            }
            behind_star = byte == b'*';
        }
        let last = if pieces.len() > 1 { pieces.pop() } else { None };
        let mut pieces = pieces.into_iter();
        let first = pieces.next()?.into();
        let between = pieces.map(|piece| memmem::Finder::new(&piece).into_owned()).collect();
        Some(Self { first, between, last: last.map(Vec::into_boxed_slice) })
    }

    /// About how many bytes it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        let between: usize = self.between.iter().map(|piece| piece.needle().len()).sum();
        let ends = self.first.len() + self.last.as_ref().map_or(0, |last| last.len());
        ends + between + self.between.len() * size_of::<memmem::Finder<'static>>()
    }

    pub(crate) fn fits(&self, text: &[u8]) -> bool {
        let Some(last) = &self.last else { return *text == *self.first };
        let rest = text.strip_prefix(&*self.first).and_then(|rest| rest.strip_suffix(&**last));
        let Some(mut rest) = rest else { return false };
        for piece in &self.between {
            let Some(at) = piece.find(rest) else { return false };
            rest = rest.get(at + piece.needle().len()..).unwrap_or_default();
        }
        true
    }
}

/// Numbers between two bounds, as [`order`](order_of) writes them.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) low: Option<Bound>,
    pub(crate) high: Option<Bound>,
}

#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) order: Box<[u8]>,
    pub(crate) is_in: bool,
}

impl Range {
    pub(crate) fn holds(&self, order: &[u8]) -> bool {
        let above = |low: &Bound| *low.order < *order || (low.is_in && *low.order == *order);
        let below = |high: &Bound| *order < *high.order || (high.is_in && *high.order == *order);
        self.low.as_ref().is_none_or(above) && self.high.as_ref().is_none_or(below)
    }

    /// Whether a number can lie in it.
    pub(crate) fn is_possible(&self) -> bool {
        match (&self.low, &self.high) {
            (Some(low), Some(high)) if low.order == high.order => low.is_in && high.is_in,
            (Some(low), Some(high)) => low.order < high.order,
            _ => true,
        }
    }
}

/// Bytes that stand in the order of the numbers: a number's sign, where its first digit stands, and its
/// digits. No float comes in between, so that 2^53 + 1 is above 2^53.
///
/// `canonical` is what [`cofferdam_json::Number::canonical_into`] writes: `[-]digits[e exponent]`, digits
/// without zeros at either end.
pub(crate) fn order_of(canonical: &[u8], order: &mut Vec<u8>) {
    order.clear();
    let (is_negative, digits) = match canonical {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let end = digits.iter().position(|byte| *byte == b'e').unwrap_or(digits.len());
    let (digits, exponent) = digits.split_at(end);
    if digits == b"0" {
        order.push(1);
        return;
    }
    let exponent = core::str::from_utf8(exponent.get(1..).unwrap_or_default());
    let exponent: i64 = exponent.ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    // Below 2^62 by the canonical form, so that neither the sum nor the shift overflows.
    let magnitude = (exponent.saturating_add(digits.len() as i64) as u64) ^ (1 << 63);
    order.push(if is_negative { 0 } else { 2 });
    order.extend_from_slice(&magnitude.to_be_bytes());
    order.extend_from_slice(digits);
    if is_negative {
        // What is greater without its sign is less with it; the shorter of two with the same beginning
        // is the greater one, which the last byte says.
        order[1..].iter_mut().for_each(|byte| *byte = !*byte);
        order.push(0xff);
    }
}

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block {
    is_v6: bool,
    /// How far an address is shifted to the right to leave these bits.
    shift: u8,
    bits: u128,
}

impl Block {
    /// Reads `address/bits` (RFC 4632, section 3.1); bits of the address behind those count for nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length: u8 = length.parse().ok().filter(|_| is_number)?;
        let width: u8 = if address.is_ipv6() { 128 } else { 32 };
        let shift = width.checked_sub(length)?;
        Some(Self { is_v6: address.is_ipv6(), shift, bits: shifted(address, shift) })
    }

    pub(crate) fn holds(self, address: IpAddr) -> bool {
        address.is_ipv6() == self.is_v6 && shifted(address, self.shift) == self.bits
    }
}

fn shifted(address: IpAddr, shift: u8) -> u128 {
    let bits = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    bits.checked_shr(u32::from(shift)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use cofferdam_json::Number;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (glob, fits, other) in [
            ("", &[""][..], &["x"][..]),
            ("a", &["a"], &["", "aa", "b"]),
            ("*", &["", "a", "**"], &[]),
            ("a*", &["a", "ab"], &["", "ba"]),
            ("*a", &["a", "ba"], &["", "ab"]),
            ("a*a", &["aa", "aba"], &["a", "aab"]),
            ("ab*bc", &["abbc", "ab bc"], &["abc"]),
            ("*ab*ab*", &["abab", "ab ab", "xabyabz"], &["ab", "aba", "xab"]),
            ("a*b*c", &["abc", "a.b.c", "abbcc"], &["ac", "acb"]),
            (r"a\*b", &["a*b"], &["axb", r"a\*b"]),
            (r"\\*", &[r"\", r"\x"], &["x"]),
        ] {
            let parsed = Glob::parse(glob).unwrap();
            assert!(fits.iter().all(|text| parsed.fits(text.as_bytes())), "{glob}");
            assert!(!other.iter().any(|text| parsed.fits(text.as_bytes())), "{glob}");
        }
        for glob in ["**", "a**b", r"\", r"\n", r"a\"] {
            assert!(Glob::parse(glob).is_none(), "{glob}");
        }
    }

    fn order(number: &str) -> Vec<u8> {
        let (mut canonical, mut order) = (Vec::new(), Vec::new());
        Number::read(number.as_bytes()).unwrap().canonical_into(&mut canonical);
        order_of(&canonical, &mut order);
        order
    }

    /// F09: no float in between, and no number too far from zero.
    #[test]
    fn bytes_stand_in_the_order_of_the_numbers() {
        let ascending = [
            "-1e300",
            "-9007199254740993",
            "-9007199254740992",
            "-123",
            "-12.5",
            "-12",
            "-1e-9",
            "0",
            "1e-300",
            "1e-9",
            "0.5",
            "9",
            "12",
            "12.5",
            "123",
            "9007199254740992",
            "9007199254740993",
            "1e300",
        ];
        for pair in ascending.windows(2) {
            assert!(order(pair[0]) < order(pair[1]), "{pair:?}");
        }
        assert_eq!(order("-0.0"), order("0"));
        assert_eq!(order("3.5e1"), order("35.0"));
        assert!(order("1e-4611686018427387999") > order("0"));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_whole_numbers(one in any::<i64>(), other in any::<i64>()) {
            let (ones, others) = (order(&one.to_string()), order(&other.to_string()));
            prop_assert_eq!(ones.cmp(&others), one.cmp(&other));
        }

        #[test]
        fn the_order_is_that_of_fractions(one in -9_999i32..9_999, other in -9_999i32..9_999) {
            let text = |number: i32| format!("{:.3}", f64::from(number) / 100.0);
            prop_assert_eq!(order(&text(one)).cmp(&order(&text(other))), one.cmp(&other));
        }
    }

    #[test]
    fn a_block_holds_the_addresses_that_begin_like_it() {
        for (block, inside, outside) in [
            ("10.0.0.0/24", &["10.0.0.0", "10.0.0.255"][..], &["10.0.1.0", "::a00:0"][..]),
            ("10.0.0.7/24", &["10.0.0.1"], &["10.0.1.7"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["::1"]),
            ("1.2.3.4/32", &["1.2.3.4"], &["1.2.3.5"]),
            ("2001:db8::/32", &["2001:db8:1::"], &["2001:db9::"]),
            ("::/0", &["::ffff:1.2.3.4", "::1"], &["1.2.3.4"]),
        ] {
            let block = Block::parse(block).unwrap();
            assert!(inside.iter().all(|ip| block.holds(ip.parse().unwrap())));
            assert!(!outside.iter().any(|ip| block.holds(ip.parse().unwrap())));
        }
        for other in ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "a/8", "1.2.3.4/+8"] {
            assert!(Block::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn case_is_folded_character_by_character() {
        let folded = |text: &str| {
            let mut buffer = Vec::new();
            fold(text.as_bytes(), &mut buffer)
                .map(|text| String::from_utf8_lossy(text).into_owned())
        };
        assert_eq!(folded("AbC-1").unwrap(), "abc-1");
        assert_eq!(folded("ÉΣ\u{212a}").unwrap(), "éσk");
        assert_eq!(folded("straße").unwrap(), "straße");
        assert_eq!(fold(b"\xff", &mut Vec::new()), None);
    }
}
