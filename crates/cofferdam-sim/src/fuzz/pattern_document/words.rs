//! The few words that patterns and events are made of, so that they meet often.

/// A dot and an operator's name are nothing special in a name.
pub(super) const NAMES: [&str; 12] =
    ["a", "b", "c", "a", "b", "c", "a", "b", "a.b", "A", "prefix", "a\"\\\u{e9}"];

/// Begin and end with each other, differ only in case, fold into one another or only seem to.
///
/// The Kelvin sign becomes a `k`, the capital `I` with a dot an `i` and a combining dot. The sharp
/// `s` is not `ss`, and neither small sigma becomes the other.
pub(super) const TEXTS: [&str; 28] = [
    "a",
    "ab",
    "abc",
    "b",
    "bc",
    "c",
    "A",
    "aB",
    "ABC",
    "",
    "k",
    "K",
    "\u{212a}",
    "i",
    "I",
    "\u{130}",
    "i\u{307}",
    "\u{df}",
    "\u{1e9e}",
    "SS",
    "\u{3a3}",
    "\u{3c3}",
    "a\u{3c2}",
    "a*c",
    "a\\",
    "\u{1f980}a\n",
    "35",
    "null",
];

/// The last ones look like addresses, and are none.
pub(super) const ADDRESSES: [&str; 14] = [
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.255",
    "10.0.1.0",
    "11.0.0.1",
    "::",
    "::1",
    "2001:db8::1",
    "2001:DB8:0:0:0:0:0:ff",
    "::ffff:10.0.0.1",
    "10.0.0.1/32",
    "10.0.0",
    "010.0.0.1",
    "[::1]",
];

pub(super) const BLOCKS: [&str; 9] = [
    "10.0.0.0/24",
    "10.0.0.128/25",
    "10.0.0.0/15",
    "0.0.0.0/0",
    "10.0.0.1/32",
    "::/0",
    "2001:db8::/33",
    "::1/128",
    "::ffff:0:0/96",
];

pub(super) const WILDCARDS: [&str; 16] = [
    "*",
    "a*",
    "*c",
    "a*c",
    "*b*",
    "a*b*c",
    "a*bc*",
    "*a*a*",
    "a\\*c",
    "\\**",
    "*\\\\",
    "a\\\\",
    "",
    "ab",
    "*\u{307}",
    "\u{1f980}*\n",
];
