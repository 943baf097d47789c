//! Where a document's quotes, brackets and commas stand, found 64 bytes at a time.
//!
//! A filter looks at a few members of an event and passes over all others. A reader that goes byte by
//! byte pays for every byte that it passes over; here it is a few instructions for each 64 of them:
//!
//! * [`simd`] compares a block of 64 bytes with each character of interest at once and packs the
//!   answers into words, a bit a byte (Langdale and Lemire, "Parsing gigabytes of JSON per second",
//!   VLDB Journal 28, 2019).
//! * A quote counts unless an odd number of backslashes stands before it ([`escaped_bytes`]). Between an
//!   odd quote and the next one lies a string: the running xor of the quotes' bits. Brackets and commas
//!   in strings are struck out.
//! * "The next quote", "the next comma" is then a count of trailing zeros. "The end of this
//!   container" passes over each block that has fewer closing brackets than levels are open, whatever
//!   else is in it; only in the last block are brackets counted one by one.
//!
//! What was rejected: writing down the *place* of every character, as simd-json does in its first
//! stage. On events of 1.5 KB that costs more than everything else together (500 ns; the words take
//! 60 to 80), and a filter looks at few of them. So there are only words, for a window of sixteen
//! blocks that moves forward through the document and never back: what is kept is a fixed 600 bytes or
//! so, and an event of a megabyte needs no more of it than a small one.
//!
//! Nothing here checks a grammar. On a document that [`check`](crate::check) accepts, every answer is
//! what reading token by token would say. On any other it is some answer, found in time of the bytes.

use crate::{scalar::Digits, simd};

/// Blocks of a window.
pub(crate) const WINDOW: usize = 16;
/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// Which bytes of one block are what, a bit a byte, the lowest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) quote: u64,
    pub(crate) backslash: u64,
    /// `{` and `[`.
    pub(crate) open: u64,
    /// `}` and `]`.
    pub(crate) close: u64,
    pub(crate) comma: u64,
    pub(crate) colon: u64,
    /// Space, tab, line feed, carriage return.
    pub(crate) white: u64,
    /// Bytes below the space.
    pub(crate) control: u64,
    /// Bytes beyond ASCII.
    pub(crate) high: u64,
    /// Of brackets, those that are curly.
    pub(crate) curly: u64,
    pub(crate) digits: Digits,
}

/// The same once it is known what stands in strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Those that begin or end a string.
    quote: u64,
    open: u64,
    close: u64,
    comma: u64,
    opens: u8,
    closes: u8,
    has_backslash: bool,
}

/// The blocks that are known at the moment, and what the next one needs to know of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) blocks: [Block; WINDOW],
    /// All ones if the next block begins inside a string.
    in_string: u64,
    /// 1 if the first byte of the next block is escaped.
    escaped: u64,
    /// Whether there was a backslash so far.
    any_backslash: bool,
}

/// Where the window stands before the first question: no block is within sixteen of it.
const NOWHERE: usize = usize::MAX / 2;

/// The structure of a document, asked from front to back.
///
/// Every place is an offset into the document, and every question begins at one. A question may not
/// begin before the answer to the one before it; if it does, it is answered from the beginning of the
/// part of the document that is still known.
#[derive(Debug, Clone)]
pub struct Structure<'a> {
    bytes: &'a [u8],
    /// The block that the window begins with.
    first: usize,
    window: Window,
}

impl<'a> Structure<'a> {
    /// The structure of `bytes`, of which nothing has been asked.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        let window = Window {
            blocks: [Block::default(); WINDOW],
            in_string: 0,
            escaped: 0,
            any_backslash: false,
        };
        // Nothing is found out before it is asked, so that what is moved here and there is empty.
        Self { bytes, first: NOWHERE, window }
    }

    /// The document.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first quote at or after `from` that begins or ends a string.
    #[inline]
    pub fn quote(&mut self, from: usize) -> Option<usize> {
        self.find(from, |block| block.quote)
    }

    /// The first comma or closing bracket at or after `from` that stands in no string.
    #[inline]
    pub fn separator(&mut self, from: usize) -> Option<usize> {
        self.find(from, |block| block.comma | block.close)
    }

    /// The first quote that begins or ends a string, or closing bracket outside strings, at or after
    /// `from`.
    #[inline]
    pub fn quote_or_close(&mut self, from: usize) -> Option<usize> {
        self.find(from, |block| block.quote | block.close)
    }

    /// The closing bracket of the container whose opening bracket stands at `open`.
    ///
    /// Brackets are counted whatever their kind: `[}` is a container here, and none to
    /// [`check`](crate::check).
    #[inline]
    pub fn end_of_container(&mut self, open: usize) -> Option<usize> {
        let from = open.saturating_add(1);
        let mut index = from / BLOCK;
        let mut depth = 1_u32;
        let mut since = u64::MAX << (from % BLOCK);
        loop {
            let Some(block) = self.window.blocks.get(index.wrapping_sub(self.first)) else {
                index = self.move_to(index)?;
                continue;
            };
            if since == u64::MAX && u32::from(block.closes) < depth {
                // No level that was open before this block ends in it.
                depth = depth + u32::from(block.opens) - u32::from(block.closes);
                index += 1;
                continue;
            }
            let mut brackets = (block.open | block.close) & since;
            while brackets != 0 {
                let lowest = brackets & brackets.wrapping_neg();
                if block.open & lowest != 0 {
                    depth += 1;
                } else {
                    depth -= 1;
                    if depth == 0 {
                        return Some(index * BLOCK + lowest.trailing_zeros() as usize);
                    }
                }
                brackets ^= lowest;
            }
            since = u64::MAX;
            index += 1;
        }
    }

    /// Whether a backslash stands in `from..to`, a part of the document that was just asked about.
    #[must_use]
    #[inline(always)]
    pub fn has_backslash(&self, from: usize, to: usize) -> bool {
        self.window.any_backslash && self.has_backslash_there(from, to)
    }

    /// Whether a backslash stands in what is known so far.
    #[must_use]
    #[inline(always)]
    pub fn has_any_backslash(&self) -> bool {
        self.window.any_backslash
    }

    #[inline(never)]
    fn has_backslash_there(&self, from: usize, to: usize) -> bool {
        let (from_block, to_block) = (from / BLOCK, to / BLOCK);
        let may_have = (from_block..=to_block).any(|index| {
            let block = self.window.blocks.get(index.wrapping_sub(self.first));
            block.is_none_or(|block| block.has_backslash)
        });
        may_have && self.bytes.get(from..to).is_none_or(|bytes| bytes.contains(&b'\\'))
    }

    #[cfg(test)]
    pub(crate) fn into_window(self) -> Window {
        self.window
    }

    #[inline]
    fn find(&mut self, from: usize, what: impl Fn(&Block) -> u64) -> Option<usize> {
        let mut index = from / BLOCK;
        let mut since = u64::MAX << (from % BLOCK);
        loop {
            let Some(block) = self.window.blocks.get(index.wrapping_sub(self.first)) else {
                index = self.move_to(index)?;
                continue;
            };
            let found = what(block) & since;
            if found != 0 {
                return Some(index * BLOCK + found.trailing_zeros() as usize);
            }
            since = u64::MAX;
            index += 1;
        }
    }

    /// Moves the window to the block of this number, or finds the first that is known if that lies
    /// behind.
    #[cold]
    fn move_to(&mut self, index: usize) -> Option<usize> {
        if self.first == NOWHERE {
            self.first = 0;
            simd::fill(self.bytes, &mut self.window);
        }
        while index >= self.first + WINDOW {
            let rest = self.bytes.get((self.first + WINDOW) * BLOCK..);
            let rest = rest.filter(|rest| !rest.is_empty())?;
            self.first += WINDOW;
            simd::fill(rest, &mut self.window);
        }
        Some(index.max(self.first))
    }
}

impl Window {
    /// Finds the blocks of the next bytes; those past the last byte are empty.
    ///
    /// Inlined into a function for each kind of machine, so that everything is compiled for it.
    #[inline(always)]
    pub(crate) fn fill(
        &mut self,
        bytes: &[u8],
        classify: impl Fn(&[u8; BLOCK]) -> Raw,
        running_xor: impl Fn(u64) -> u64,
    ) {
        let (whole, rest) = bytes.as_chunks::<BLOCK>();
        let (mut in_string, mut escaped) = (self.in_string, self.escaped);
        let mut backslashes = 0;
        let mut next = |block: &[u8; BLOCK]| {
            let raw = classify(block);
            backslashes |= raw.backslash;
            let quote = raw.quote & !escaped_bytes(raw.backslash, &mut escaped);
            let strings = running_xor(quote) ^ in_string;
            // The sign of the last bit, over all of them.
            in_string = ((strings as i64) >> 63) as u64;
            let (open, close) = (raw.open & !strings, raw.close & !strings);
            Block {
                quote,
                open,
                close,
                comma: raw.comma & !strings,
                opens: open.count_ones() as u8,
                closes: close.count_ones() as u8,
                has_backslash: raw.backslash != 0,
            }
        };
        let (full, left) = self.blocks.split_at_mut(whole.len().min(WINDOW));
        for (block, chunk) in full.iter_mut().zip(whole) {
            *block = next(chunk);
        }
        left.fill(Block::default());
        if let Some(block) = left.first_mut() {
            // Spaces are nothing that is looked for.
            let mut padded = [b' '; BLOCK];
            padded[..rest.len()].copy_from_slice(rest);
            *block = next(&padded);
        }
        self.in_string = in_string;
        self.escaped = escaped;
        self.any_backslash |= backslashes != 0;
    }
}

/// Which bytes are escaped: those behind an odd number of backslashes. `carry` is 1 if the first byte
/// is, and becomes so for the next block.
///
/// A run of backslashes that begins at an odd place is moved by one against one that begins at an even
/// place. Adding the starts of the odd runs to all backslashes carries each such run to its end, so the
/// sum tells the two kinds apart without a loop over runs (simdjson, "Faster JSON parsing", 2021).
#[inline(always)]
pub(crate) fn escaped_bytes(backslash: u64, carry: &mut u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    if backslash == 0 {
        return core::mem::take(carry);
    }
    // A backslash that is escaped itself escapes nothing.
    let backslash = backslash & !*carry;
    let follows = backslash << 1 | *carry;
    let odd_starts = backslash & !EVEN & !follows;
    let (ends, overflow) = odd_starts.overflowing_add(backslash);
    *carry = u64::from(overflow);
    (EVEN ^ (ends << 1)) & follows
}

/// Bit n of the answer is the xor of the bits up to n.
#[inline(always)]
pub(crate) const fn running_xor(bits: u64) -> u64 {
    let bits = bits ^ bits << 1;
    let bits = bits ^ bits << 2;
    let bits = bits ^ bits << 4;
    let bits = bits ^ bits << 8;
    let bits = bits ^ bits << 16;
    bits ^ bits << 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Reader, Token, check};

    /// What a byte-by-byte reading says of each byte: quotes that count, and what stands outside
    /// strings.
    fn slowly(bytes: &[u8]) -> Vec<char> {
        let (mut in_string, mut is_escaped) = (false, false);
        bytes
            .iter()
            .map(|&byte| {
                let escaped = core::mem::take(&mut is_escaped);
                match byte {
                    b'"' if !escaped => {
                        in_string = !in_string;
                        '"'
                    }
                    b'\\' => {
                        is_escaped = !escaped;
                        ' '
                    }
                    _ if in_string => ' ',
                    b'{' | b'[' => '(',
                    b'}' | b']' => ')',
                    b',' => ',',
                    _ => ' ',
                }
            })
            .collect()
    }

    /// All that can be asked, against the slow reading.
    fn hold(bytes: &[u8]) {
        let slow = slowly(bytes);
        let first = |from: usize, what: &str| {
            (from..slow.len()).find(|&at| what.contains(slow[at]) && slow[at] != ' ')
        };
        let all = |what: &str| -> Vec<usize> {
            let mut places = Vec::new();
            let mut structure = Structure::new(bytes);
            let mut from = 0;
            while let Some(at) = match what {
                "\"" => structure.quote(from),
                ",)" => structure.separator(from),
                _ => structure.quote_or_close(from),
            } {
                assert_eq!(Some(at), first(from, what));
                places.push(at);
                from = at + 1;
            }
            assert_eq!(first(from, what), None);
            places
        };
        for what in ["\"", ",)", "\")"] {
            let expected: Vec<usize> =
                (0..slow.len()).filter(|&at| slow[at] != ' ' && what.contains(slow[at])).collect();
            assert_eq!(all(what), expected);
        }
        for open in (0..slow.len()).filter(|&at| slow[at] == '(') {
            let mut depth = 0;
            let end = (open..slow.len()).find(|&at| {
                depth += i32::from(slow[at] == '(') - i32::from(slow[at] == ')');
                depth == 0
            });
            assert_eq!(Structure::new(bytes).end_of_container(open), end, "from {open}");
        }
    }

    #[test]
    fn finds_what_a_reading_byte_by_byte_finds() {
        for text in [
            "",
            "{}",
            r#"{"a":"\\","b":"\"","c":"\\\"","d":[1,{"e":"}]{[,"},[]]}"#,
            "\"unterminated",
            "\\\"x",
            "}}}][",
        ] {
            hold(text.as_bytes());
        }
    }

    /// Runs of backslashes of every length, at every place about the edges of blocks and windows.
    #[test]
    fn backslashes_escape_across_blocks_and_windows() {
        for edge in [BLOCK, 2 * BLOCK, WINDOW * BLOCK] {
            for start in edge - 8..edge + 2 {
                for run in 0..12 {
                    let mut bytes = vec![b'x'; start];
                    bytes[0] = b'"';
                    bytes.extend(vec![b'\\'; run]);
                    bytes.extend(b"\",{}");
                    hold(&bytes);
                }
            }
        }
    }

    #[test]
    fn containers_end_where_they_end_however_long_they_are() {
        for length in [0, 1, 60, 61, 62, 63, 64, 65, 127, 1_000, 1_023, 1_024, 5_000] {
            for inner in ["1,", "[],", "{\"a\":[[]]},", "\"]\","] {
                hold(format!("[{}0]", inner.repeat(length / inner.len())).as_bytes());
            }
        }
        let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
        assert_eq!(Structure::new(deep.as_bytes()).end_of_container(0), Some(5_999));
        assert_eq!(Structure::new(&deep.as_bytes()[..5_999]).end_of_container(0), None);
    }

    #[test]
    fn a_backslash_is_known_wherever_it_stands() {
        for at in [1, 63, 64, 65, 127, 128, 1_000] {
            let mut bytes = vec![b'x'; 1_100];
            (bytes[0], bytes[at], bytes[1_099]) = (b'"', b'\\', b'"');
            let mut structure = Structure::new(&bytes);
            structure.quote(1);
            assert!(structure.has_backslash(1, 1_099) && structure.has_backslash(at, at + 1));
            assert!(!structure.has_backslash(at + 1, 1_099) && !structure.has_backslash(1, at));
        }
    }

    /// What is asked of a part that is not known any more has some answer.
    #[test]
    fn a_question_that_goes_back_ends() {
        let bytes = [b','; 3_000];
        let mut structure = Structure::new(&bytes);
        assert_eq!(structure.separator(2_500), Some(2_500));
        assert!(structure.separator(0).is_some());
        assert!(structure.has_backslash(0, 10) == bytes[..10].contains(&b'\\'));
        assert_eq!(structure.separator(4_000), None);
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            &b"\""[..],
            b"\\",
            b"\\\"",
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"x",
            b"\xff",
            b"   ",
            b"a longer text without anything in it that would be of interest to anybody",
        ]);
        prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn agrees_with_a_reading_byte_by_byte(bytes in pieces()) {
            hold(&bytes);
        }

        /// On what is sound: each string token begins and ends with the next two quotes.
        #[test]
        fn agrees_with_the_reader(bytes in pieces()) {
            let text: String = String::from_utf8_lossy(&bytes).into_owned();
            let event = serde_json::json!({"a": [text, {"b": text}], "c": text}).to_string();
            let event = event.as_bytes();
            prop_assume!(check(event, &crate::Limits::default(), &mut crate::Scratch::new([1; 16])).is_ok());
            let (mut reader, mut structure) = (Reader::new(event), Structure::new(event));
            let mut from = 0;
            while let Some(token) = reader.next().unwrap() {
                let (Token::Name(text) | Token::String(text)) = token else { continue };
                let start = structure.quote(from).unwrap();
                let end = structure.quote(start + 1).unwrap();
                prop_assert_eq!(start, reader.token_start());
                prop_assert_eq!(&event[start + 1..end], text.raw());
                prop_assert_eq!(structure.has_backslash(start + 1, end), text.is_escaped());
                from = end + 1;
            }
        }
    }
}
