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
//! * What is asked for mostly stands within 64 bytes, but in the next block as often as in this one.
//!   So the words of both are put together from the place on that is asked about, and there is no branch
//!   on where blocks meet: it would be guessed wrong once or twice for each member of an event.
//!
//! What was rejected: writing down the *place* of every character, as simd-json does in its first
//! stage. On events of 1.5 KB that costs more than everything else together (500 ns; the words take
//! 60 to 80), and a filter looks at few of them. So there are only words, for a [`Window`] of sixty-four
//! blocks that moves forward through the document and never back: what is kept is a fixed 3 KB, and
//! an event of a megabyte needs no more of it than a small one.
//!
//! Nothing here checks a grammar. On a document that [`check`](crate::check) accepts, every answer is
//! what reading token by token would say. On any other it is some answer, found in time of the bytes.

use core::fmt;

use crate::{
    block::{BLOCK, Raw, escaped_bytes},
    simd,
};

/// Blocks of a window.
pub(crate) const WINDOW: usize = 64;
/// So many are found first, for an event may be dropped for what its first bytes say.
const FIRST: usize = 8;

/// What stands where in one block, a bit a byte, now that it is known what stands in strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Those that begin or end a string.
    quote: u64,
    /// Brackets and commas.
    structural: u64,
    open: u64,
    bracket: u64,
    backslash: u64,
    opens: u8,
    closes: u8,
}

const NOTHING: Block =
    Block { quote: 0, structural: 0, open: 0, bracket: 0, backslash: 0, opens: 0, closes: 0 };

/// The part of a document that is known at the moment. Nothing of it outlives the [`Structure`] that uses it;
/// it is the caller's only so that it is not cleared for every document.
#[derive(Clone, PartialEq, Eq)]
pub struct Window {
    /// Nothing stands in the block behind those that are known.
    blocks: [Block; WINDOW + 1],
    /// The block of the document that the window begins with.
    first: usize,
    /// How many are known.
    known: usize,
    /// All ones if the next block begins inside a string.
    in_string: u64,
    /// 1 if the first byte of the next block is escaped.
    escaped: u64,
    /// Whether there was a backslash so far.
    any_backslash: bool,
}

/// The structure of a document, asked from front to back.
///
/// Every place is an offset into the document, and every question begins at one. What lies behind may
/// not be known any more: a question that begins before the answer to another one is answered from the
/// beginning of the part that is still known, up to which nothing was found for it.
#[derive(Debug)]
pub struct Structure<'a, 'w> {
    bytes: &'a [u8],
    window: &'w mut Window,
}

impl<'a, 'w> Structure<'a, 'w> {
    /// The structure of `bytes`.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a [u8], window: &'w mut Window) -> Self {
        window.first = 0;
        window.known = 0;
        window.in_string = 0;
        window.escaped = 0;
        window.any_backslash = false;
        simd::extend(bytes, FIRST, window);
        Self { bytes, window }
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

    /// The first bracket or comma at or after `from` that stands in no string.
    #[inline]
    pub fn structural(&mut self, from: usize) -> Option<usize> {
        self.find(from, |block| block.structural)
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
            let Some(block) = self.window.get(index) else {
                let known = self.move_to(index)?;
                if known > index {
                    since = u64::MAX;
                }
                index = known;
                continue;
            };
            if since == u64::MAX && u32::from(block.closes) < depth {
                // No level that was open before this block ends in it.
                depth = depth + u32::from(block.opens) - u32::from(block.closes);
                index += 1;
                continue;
            }
            let mut brackets = block.bracket & since;
            while brackets != 0 {
                let at = brackets.trailing_zeros();
                // Up by one or down by one, and no branch that would be guessed.
                let is_open = (block.open >> at & 1) as u32;
                depth = depth + 2 * is_open - 1;
                if depth == 0 {
                    return Some(index * BLOCK + at as usize);
                }
                brackets &= brackets - 1;
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
        let may_have = (from_block..=to_block)
            .any(|index| self.window.get(index).is_none_or(|block| block.backslash != 0));
        may_have && self.bytes.get(from..to).is_none_or(|bytes| bytes.contains(&b'\\'))
    }

    #[inline(always)]
    fn find(&mut self, from: usize, what: impl Fn(&Block) -> u64) -> Option<usize> {
        if let Some([this, next]) = self.window.pair(from / BLOCK) {
            let shift = from % BLOCK;
            let bits = what(this) >> shift | what(next) << 1 << (63 - shift);
            if bits != 0 {
                return Some(from + bits.trailing_zeros() as usize);
            }
        }
        self.find_far(from, what)
    }

    #[cold]
    fn find_far(&mut self, from: usize, what: impl Fn(&Block) -> u64) -> Option<usize> {
        let mut index = from / BLOCK;
        let mut since = u64::MAX << (from % BLOCK);
        loop {
            let Some(block) = self.window.get(index) else {
                let known = self.move_to(index)?;
                if known > index {
                    since = u64::MAX;
                }
                index = known;
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

    /// Goes on until the block of this number is known, or finds the first that is if that lies behind.
    #[cold]
    fn move_to(&mut self, index: usize) -> Option<usize> {
        let window = &mut *self.window;
        while index >= window.first + window.known {
            if (window.first + window.known) * BLOCK >= self.bytes.len() {
                return None;
            }
            window.make_room();
            simd::extend(self.bytes, WINDOW, window);
        }
        Some(index.max(window.first))
    }
}

impl Default for Window {
    fn default() -> Self {
        Self {
            blocks: [NOTHING; WINDOW + 1],
            first: 0,
            known: 0,
            in_string: 0,
            escaped: 0,
            any_backslash: false,
        }
    }
}

/// It says where something stood in some tenant's document.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Window(..)")
    }
}

impl Window {
    /// The block of this number, if it is known.
    #[inline(always)]
    fn get(&self, index: usize) -> Option<&Block> {
        let at = index.wrapping_sub(self.first);
        if at < self.known { self.blocks.get(at) } else { None }
    }

    /// The same and the one behind it, or one in which nothing stands.
    #[inline(always)]
    fn pair(&self, index: usize) -> Option<[&Block; 2]> {
        let at = index.wrapping_sub(self.first);
        match self.blocks.get(at..at.wrapping_add(2)) {
            Some([this, next]) if at < self.known => Some([this, next]),
            _ => None,
        }
    }

    /// Moves on if it is full.
    pub(crate) fn make_room(&mut self) {
        if self.known == WINDOW {
            self.first += WINDOW;
            self.known = 0;
        }
    }

    /// Finds the next blocks of a document, at most `count` of them and no more than there is room for.
    ///
    /// Inlined into a function for each kind of machine, so that everything is compiled for it.
    #[inline(always)]
    pub(crate) fn extend(
        &mut self,
        document: &[u8],
        count: usize,
        classify: impl Fn(&[u8; BLOCK]) -> Raw,
        running_xor: impl Fn(u64) -> u64,
    ) {
        let from = (self.first + self.known) * BLOCK;
        let (whole, rest) = document.get(from..).unwrap_or_default().as_chunks::<BLOCK>();
        let end = self.known.saturating_add(count).min(WINDOW);
        let room = self.blocks.get_mut(self.known..end).unwrap_or_default();
        let (mut in_string, mut escaped) = (self.in_string, self.escaped);
        let mut backslashes = 0;
        let mut next = |raw: Raw| {
            backslashes |= raw.backslash;
            let quote = raw.quote & !escaped_bytes(raw.backslash, &mut escaped);
            let strings = running_xor(quote) ^ in_string;
            // The sign of the last bit, over all of them.
            in_string = ((strings as i64) >> 63) as u64;
            let (open, close) = (raw.open & !strings, raw.close & !strings);
            Block {
                quote,
                structural: (raw.comma & !strings) | open | close,
                open,
                bracket: open | close,
                backslash: raw.backslash,
                opens: open.count_ones() as u8,
                closes: close.count_ones() as u8,
            }
        };
        for (block, chunk) in room.iter_mut().zip(whole) {
            *block = next(classify(chunk));
        }
        self.known += whole.len().min(room.len());
        if let Some(block) = room.get_mut(whole.len())
            && !rest.is_empty()
        {
            *block = next(last(document, rest, classify));
            self.known += 1;
        }
        if let Some(behind) = self.blocks.get_mut(self.known) {
            *behind = NOTHING;
        }
        self.in_string = in_string;
        self.escaped = escaped;
        self.any_backslash |= backslashes != 0;
    }
}

/// The last block, which is not full.
///
/// It is read together with the bytes before it: to copy the rest of an event somewhere else takes
/// longer than all that is done with it.
#[inline(always)]
fn last(document: &[u8], rest: &[u8], classify: impl Fn(&[u8; BLOCK]) -> Raw) -> Raw {
    if let Some(chunk) = document.last_chunk() {
        let before = BLOCK - rest.len();
        let Raw { quote, backslash, open, close, comma, .. } = classify(chunk);
        return Raw {
            quote: quote >> before,
            backslash: backslash >> before,
            open: open >> before,
            close: close >> before,
            comma: comma >> before,
            ..Raw::default()
        };
    }
    // Spaces are nothing that is looked for.
    let mut padded = [b' '; BLOCK];
    padded[..rest.len()].copy_from_slice(rest);
    classify(&padded)
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
            let mut window = Window::default();
            let mut structure = Structure::new(bytes, &mut window);
            let mut from = 0;
            while let Some(at) = match what {
                "\"" => structure.quote(from),
                _ => structure.structural(from),
            } {
                assert_eq!(Some(at), first(from, what));
                places.push(at);
                from = at + 1;
            }
            assert_eq!(first(from, what), None);
            places
        };
        for what in ["\"", "(,)"] {
            let expected: Vec<usize> =
                (0..slow.len()).filter(|&at| slow[at] != ' ' && what.contains(slow[at])).collect();
            assert_eq!(all(what), expected);
        }
        let mut window = Window::default();
        for open in (0..slow.len()).filter(|&at| slow[at] == '(') {
            let mut depth = 0;
            let end = (open..slow.len()).find(|&at| {
                depth += i32::from(slow[at] == '(') - i32::from(slow[at] == ')');
                depth == 0
            });
            let mut structure = Structure::new(bytes, &mut window);
            assert_eq!(structure.end_of_container(open), end, "from {open}");
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
        for edge in [BLOCK, 2 * BLOCK, FIRST * BLOCK, WINDOW * BLOCK] {
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
        for length in [0, 1, 60, 61, 62, 63, 64, 65, 127, 511, 512, 1_000, 4_095, 4_096, 9_000] {
            for inner in ["1,", "[],", "{\"a\":[[]]},", "\"]\","] {
                hold(format!("[{}0]", inner.repeat(length / inner.len())).as_bytes());
            }
        }
        let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
        let end = |text: &str| {
            Structure::new(text.as_bytes(), &mut Window::default()).end_of_container(0)
        };
        assert_eq!(end(&deep), Some(5_999));
        assert_eq!(end(&deep[..5_999]), None);
    }

    #[test]
    fn a_backslash_is_known_wherever_it_stands() {
        for at in [1, 63, 64, 65, 127, 128, 511, 512, 1_000] {
            let mut bytes = vec![b'x'; 1_100];
            (bytes[0], bytes[at], bytes[1_099]) = (b'"', b'\\', b'"');
            let mut window = Window::default();
            let mut structure = Structure::new(&bytes, &mut window);
            structure.quote(1);
            assert!(structure.has_backslash(1, 1_099) && structure.has_backslash(at, at + 1));
            assert!(!structure.has_backslash(at + 1, 1_099) && !structure.has_backslash(1, at));
        }
    }

    /// The next of one kind is found whatever was asked about another in between, as long as none was
    /// passed over.
    #[test]
    fn a_question_may_begin_before_the_answer_to_another() {
        for length in (4_000..4_300).chain(8_100..8_300) {
            let text = format!("\"{}\"[,", "x".repeat(length));
            let mut window = Window::default();
            let mut structure = Structure::new(text.as_bytes(), &mut window);
            assert_eq!(structure.quote(1), Some(length + 1));
            assert_eq!(structure.structural(0), Some(length + 2));
            assert_eq!(structure.structural(length + 3), Some(length + 3));
        }
    }

    /// What is asked of a part that is not known any more has some answer.
    #[test]
    fn a_question_that_goes_back_ends() {
        let bytes = [b','; 9_000];
        let mut window = Window::default();
        let mut structure = Structure::new(&bytes, &mut window);
        assert_eq!(structure.structural(8_500), Some(8_500));
        assert!(structure.structural(0).is_some());
        assert!(structure.has_backslash(0, 10) == bytes[..10].contains(&b'\\'));
        assert_eq!(structure.structural(10_000), None);
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
            let mut window = Window::default();
            let (mut reader, mut structure) = (Reader::new(event), Structure::new(event, &mut window));
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
