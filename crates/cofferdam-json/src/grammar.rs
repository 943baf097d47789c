//! The grammar of a whole event, 64 bytes at a time.
//!
//! Read token by token, an event of 1.5 KB is 300 steps that each wait for the one before: what is it,
//! what may stand here, where does it end. But most rules of JSON are about neighbours. "Behind a comma in
//! an object stands a string, and behind that a colon" is true of all commas of a block of 64 bytes if it
//! is true of a few words, a bit a byte, that [`simd`](crate::simd) finds by comparing. `x` is a one, the
//! first byte on the left:
//!
//! ```text
//!              {"a":[1,"b"],"c":{}}
//! quote        .x.x....x.x..x.x....
//! strings      .xx.....xx...xx.....   the running xor of the quotes
//! in_object    xxxxx......xxxxxxxx.   what the brackets say
//! name_place   .x...........x....x.   behind `{`, and behind commas in objects
//! value_place  .....xx.x........x..   behind `[`, `:`, and commas in arrays
//! after_open   .x....x...........x.   where a closing bracket may stand, too
//! name         .x...........x......   strings that begin in a name's place
//! after_name   ....x...........x...   strings + name carries each to its end; one on
//! colon        ....x...........x...   the same: else it is a fault
//! ```
//!
//! "Behind" is a shift by one ([`after`]; where white space follows, an addition carries the bit through
//! it). The other rules are an AND each: a string, scalar or opening bracket stands in one of the two
//! places, and only a string in a name's; a comma in neither; a closing bracket in them only right behind
//! an opening one ([`Pass::places`]). No rule is about what a string holds but two: no control characters,
//! which is an AND, and sound escapes, which are rare and looked at one by one.
//!
//! What is left to do one by one:
//!
//! * Brackets. A stack of 64 bits says what is open, and from there on `in_object`.
//! * Names, which are found by their colons and must be new to their object (`names`).
//! * `true`, `false` and `null` (`scalar`; numbers are not).
//!
//! A bit that must be known in the next block is a field of [`Pass`]: whether it begins in a string, in a
//! name, in white space behind a comma. No rule looks ahead. UTF-8 is asked for at the end, and only from
//! the first block to the last that is not ASCII.
//!
//! A fault in a block is some bit of one word. Which fault it is, and where, nobody knows here, nor needs
//! to: [`check`](crate::check) reads a refused event again, token by token.
//!
//! # What it takes
//!
//! 0.72 us for events of 1.5 KB, with 55 names and 10 scalars; token by token it was 1.41 us, and
//! `serde_json` into `IgnoredAny`, which knows nothing of names and UTF-8, takes 0.98 us. (AVX-512; with
//! AVX2 it is 0.84. All in one run: for each of 400 events the least of 60 passes.) That is about 190
//! instructions a block and 64 a name, and the processor does about four in a cycle: to be faster, it has to do
//! less.
//!
//! # What was rejected
//!
//! * Numbers one by one, eight bytes in a word: 85 instructions each, and events of coordinates took
//!   4.4 us instead of 1.8.
//! * Branches on the length of a name, or on whether it began in this block: they were guessed well
//!   enough. Doing without is as fast, and the same for all names.

use core::hint::select_unpredictable;

use crate::{
    block::{BLOCK, Raw, escaped_bytes},
    check::Refused,
    names::{Innermost, Names},
    near::{BEFORE, NEAR, Near},
    scalar, text,
};

/// One pass over an event: what it knows between two blocks.
struct Pass<'a> {
    event: &'a [u8],
    names: Names<'a>,
    innermost: Innermost,
    near: Near<'a>,
    max_depth: u32,
    /// Where the block begins.
    base: usize,
    /// All ones if the block begins in a string.
    in_string: u64,
    /// 1 if the first byte is escaped.
    escaped: u64,
    /// Where the last escape ends.
    escape_end: usize,
    /// Where the last backslash stands, or 8.
    backslash: usize,
    /// 1 if the block goes on with a number or literal.
    in_scalar: u64,
    /// 1 if the block goes on with a name.
    in_name: u64,
    /// 1 if the first byte that is not white space follows an opening bracket.
    after_open: u64,
    /// ... stands where a name must.
    name_place: u64,
    /// ... stands where a value must.
    value_place: u64,
    /// ... follows a name.
    after_name: u64,
    /// The open containers, 1 for an object, the innermost in the lowest bit.
    objects: u64,
    depth: u32,
    /// Where the last string begins.
    string: usize,
    /// 1 if the last byte is a quote that counts.
    after_quote: u64,
    high: Option<(usize, usize)>,
}

struct Masks {
    quote: u64,
    strings: u64,
    open: u64,
    close: u64,
    comma: u64,
    colon: u64,
    white: u64,
    curly: u64,
}

/// Reads `event`.
#[inline(always)]
pub(crate) fn read(
    event: &[u8],
    max_depth: u32,
    names: Names<'_>,
    classify: impl Fn(&[u8; BLOCK]) -> Raw,
    running_xor: impl Fn(u64) -> u64,
) -> Result<(), Refused> {
    let first = event.iter().position(|byte| !is_white(*byte)).unwrap_or(0);
    if event.get(first) != Some(&b'{') {
        return Err(Refused);
    }
    let mut padded = [0; NEAR];
    let mut pass = Pass {
        event,
        names,
        innermost: Innermost::default(),
        near: Near::first(event, &mut padded),
        max_depth,
        base: 0,
        in_string: 0,
        escaped: 0,
        escape_end: 0,
        backslash: 8,
        in_scalar: 0,
        in_name: 0,
        after_open: 0,
        name_place: 0,
        value_place: 1,
        after_name: 0,
        objects: 0,
        depth: 0,
        string: 0,
        after_quote: 0,
        high: None,
    };
    let (whole, rest) = event.as_chunks::<BLOCK>();
    let mut tail = [b' '; BLOCK];
    tail[..rest.len()].copy_from_slice(rest);
    // One loop, so that a block is compiled once.
    for block in whole.iter().chain(core::iter::once(&tail)) {
        pass.near.move_to(event, pass.base);
        if let Some(end) = pass.block(classify(block), &running_xor)? {
            return pass.finish(end);
        }
        pass.base += BLOCK;
    }
    Err(Refused)
}

const fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl Pass<'_> {
    #[inline(always)]
    fn block(
        &mut self,
        raw: Raw,
        running_xor: impl Fn(u64) -> u64,
    ) -> Result<Option<usize>, Refused> {
        let escaped = escaped_bytes(raw.backslash, &mut self.escaped);
        let quote = raw.quote & !escaped;
        let strings = running_xor(quote) ^ self.in_string;
        self.in_string = ((strings as i64) >> 63) as u64;
        if raw.backslash | escaped != 0 {
            self.escapes(raw.backslash, escaped & strings)?;
        }
        if raw.high != 0 {
            let first = self.high.map_or(self.base, |(first, _)| first);
            self.high = Some((first, self.base + BLOCK));
        }
        let masks = Masks {
            quote,
            strings,
            open: raw.open & !strings,
            close: raw.close & !strings,
            comma: raw.comma & !strings,
            colon: raw.colon & !strings,
            white: raw.white & !strings,
            curly: raw.curly,
        };
        let Masks { open, close, comma, colon, white, .. } = masks;
        let scalars = !(strings | quote | open | close | comma | colon | white);
        let scalar = scalars & !(scalars << 1 | self.in_scalar);
        self.in_scalar = scalars >> 63;
        if scalar != 0 && !scalar::are_sound(self.event, self.base, scalars, scalar, raw.digits) {
            return Err(Refused);
        }
        let (in_object, end) = self.items(&masks)?;
        let bad = self.places(&masks, in_object, scalar) | raw.control & strings;
        if bad != 0 {
            return Err(Refused);
        }
        Ok(end)
    }

    /// Looks at each escape.
    #[cold]
    #[inline(never)]
    fn escapes(&mut self, backslash: u64, mut escaped: u64) -> Result<(), Refused> {
        if backslash != 0 {
            let last = self.base + 63 - backslash.leading_zeros() as usize;
            self.backslash = self.backslash.max(last);
        }
        while escaped != 0 {
            let at = self.base + escaped.trailing_zeros() as usize - 1;
            escaped &= escaped - 1;
            let byte = self.event.get(at + 1).copied();
            if let Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') = byte {
                continue;
            }
            // The second half of a surrogate pair was looked at with the first.
            if at >= self.escape_end {
                let rest = self.event.get(at..).ok_or(Refused)?;
                self.escape_end = at + text::escape(rest).map_err(|_| Refused)?.1;
            }
        }
        Ok(())
    }

    /// Goes through brackets and names. Says which bytes stand in an object, rather than in an array,
    /// and where the outermost object ends if it does.
    #[inline(always)]
    fn items(&mut self, masks: &Masks) -> Result<(u64, Option<usize>), Refused> {
        let mut items = masks.open | masks.close | masks.colon;
        let mut object = (self.objects & 1).wrapping_neg();
        let mut in_object = object;
        let begins = masks.quote & masks.strings;
        let after_quote = masks.quote << 1 | self.after_quote;
        // From here on, places are seen from where `near` begins.
        let near = self.near.start as isize;
        let first = self.base as isize - near;
        let string = self.string as isize - near;
        // Names that begin before this place may not stand where words are read, or may have escapes.
        let least = (self.backslash as isize - near).max(first - BEFORE);
        let mut innermost = self.innermost;
        self.names.reserve(innermost);
        while items != 0 {
            let bit = items & items.wrapping_neg();
            let at = first + items.trailing_zeros() as isize;
            items &= items - 1;
            if masks.colon & bit != 0 {
                let open = string_before(begins & (bit - 1), first, string);
                if (bit & after_quote == 0) | (open < least) {
                    let open = (open + near) as usize;
                    innermost = self.names.add_any(open, innermost).ok_or(Refused)?;
                } else if self.names.add(self.near.name(open, at), &mut innermost) {
                    return Err(Refused);
                }
                continue;
            }
            let is_object = masks.curly & bit != 0;
            if masks.open & bit != 0 {
                innermost = self.open(is_object, innermost)?;
            } else {
                innermost = self.close(is_object, innermost)?;
                if self.depth == 0 {
                    return if items == 0 {
                        Ok((in_object, Some((at + near) as usize)))
                    } else {
                        Err(Refused)
                    };
                }
            }
            let now = (self.objects & 1).wrapping_neg();
            in_object ^= (now ^ object) & bit.wrapping_neg();
            object = now;
        }
        self.innermost = innermost;
        self.string = (string_before(begins, first, string) + near) as usize;
        self.after_quote = masks.quote >> 63;
        Ok((in_object, None))
    }

    #[inline(always)]
    fn open(&mut self, is_object: bool, innermost: Innermost) -> Result<Innermost, Refused> {
        if self.depth >= self.max_depth {
            return Err(Refused);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(is_object);
        Ok(if is_object { self.names.open(innermost) } else { innermost })
    }

    #[inline(always)]
    fn close(&mut self, is_object: bool, innermost: Innermost) -> Result<Innermost, Refused> {
        if is_object != (self.objects & 1 == 1) || self.depth == 0 {
            return Err(Refused);
        }
        self.depth -= 1;
        self.objects >>= 1;
        Ok(if is_object { self.names.close() } else { innermost })
    }

    /// The bytes that stand where they must not.
    #[inline(always)]
    fn places(&mut self, masks: &Masks, in_object: u64, scalar: u64) -> u64 {
        let Masks { quote, strings, open, close, comma, colon, white, curly } = *masks;
        let string = quote & strings;
        let name_next = open & curly | comma & in_object;
        let value_next = open & !curly | comma & !in_object | colon;
        let after_open = after(open, &mut self.after_open, white);
        let name_place = after(name_next, &mut self.name_place, white);
        let value_place = after(value_next, &mut self.value_place, white);
        let name = name_place & string | self.in_name;
        let (sum, goes_on) = strings.overflowing_add(name);
        self.in_name = u64::from(goes_on);
        let after_name = after(sum & !strings, &mut self.after_name, white);

        let places = name_place | value_place;
        (colon ^ after_name)
            | (string | scalar | open) & !places
            | (scalar | open) & name_place
            | comma & places
            | close & places & !after_open
    }

    #[inline(never)]
    fn finish(self, end: usize) -> Result<(), Refused> {
        let rest = self.event.get(end + 1..).unwrap_or_default();
        if !rest.iter().all(|byte| is_white(*byte)) {
            return Err(Refused);
        }
        if let Some((first, last)) = self.high {
            let high = self.event.get(first..last.min(self.event.len())).unwrap_or_default();
            core::str::from_utf8(high).map_err(|_| Refused)?;
        }
        Ok(())
    }
}

/// Where the last of the strings begins that begin in a block, whose first byte is at `first`, or the
/// one before it at `otherwise`.
#[inline(always)]
fn string_before(begins: u64, first: isize, otherwise: isize) -> isize {
    let last = first + 63 - begins.leading_zeros() as isize;
    select_unpredictable(begins == 0, otherwise, last)
}

/// The bytes that follow those of `mask`, apart from white space.
#[inline(always)]
fn after(mask: u64, carry: &mut u64, white: u64) -> u64 {
    let follows = mask << 1 | *carry;
    *carry = mask >> 63;
    if white == 0 {
        return follows;
    }
    let (sum, goes_on) = white.overflowing_add(follows & white);
    *carry |= u64::from(goes_on);
    (sum | follows) & !white
}
