//! The pull reader: one token a call, no recursion, no allocation, grammar checked as it goes.
//!
//! The only state besides the offset is which container is open at each depth. With a depth of at
//! most 64 that is one `u64`, a bit a level (1 for an object); nesting can therefore neither grow
//! memory nor overflow a stack, which is how other readers abort the whole process (SECURITY F06).
//!
//! # Why everything is inlined
//!
//! A token is forty bytes, and out of line it is copied three times on its way to the caller, each
//! copy a wide load of what narrow stores have just written. That defeats store forwarding: the
//! copies took 40 % of the samples of [`check`](crate::check), and inlining the six functions
//! between a token and its caller halved the time of everything that reads (on a 1.6 KB event of
//! 142 tokens from 3.1 to 1.6 microseconds). `#[inline]` alone was not taken up.

use crate::{Fault, Number, Text, number, text};

/// One step through a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// `{`
    BeginObject,
    /// `}`
    EndObject,
    /// `[`
    BeginArray,
    /// `]`
    EndArray,
    /// A member's name; its colon has been read.
    Name(Text<'a>),
    /// A string.
    String(Text<'a>),
    /// A number.
    Number(Number<'a>),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value must follow: at the start, after a name, after a comma in an array.
    Value,
    /// Just after `{`.
    FirstMember,
    /// Just after `[`.
    FirstElement,
    /// A value ended: a comma, a closing bracket or the end of the document.
    After,
}

/// Reads a document token by token.
///
/// Checks the grammar of RFC 8259, escapes, and depth; not UTF-8 and not duplicate names, which
/// need the whole event: [`check`](crate::check) does. After an error every further call repeats it.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    token_start: usize,
    objects: u64,
    depth: u32,
    state: State,
    failed: Option<Fault>,
}

impl<'a> Reader<'a> {
    /// The greatest depth that can be set as a limit.
    pub const MAX_DEPTH: u32 = 64;

    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            token_start: 0,
            objects: 0,
            depth: 0,
            state: State::Value,
            failed: None,
        }
    }

    /// The next token; `None` after the end of the one document.
    ///
    /// # Errors
    ///
    /// [`Fault::Malformed`], [`Fault::InvalidText`], [`Fault::TooDeep`],
    /// [`Fault::NumberOutOfRange`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results invites `flatten`, which would skip a fault"
    )]
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<Token<'a>>, Fault> {
        match self.failed {
            None => self.step().inspect_err(|fault| self.failed = Some(*fault)),
            Some(fault) => Err(fault),
        }
    }

    /// Where the last token starts, as an offset into the bytes.
    #[must_use]
    pub fn token_start(&self) -> usize {
        self.token_start
    }

    /// Where the last token ends (a name: after its colon).
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// How many containers are open.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether the innermost open container is an object.
    #[must_use]
    #[inline]
    pub fn in_object(&self) -> bool {
        self.depth > 0 && self.objects >> (self.depth - 1) & 1 == 1
    }

    /// Skips the rest of the container that the last token opened (or just that token, if it
    /// opened none), without checking what it skips beyond strings and balance.
    ///
    /// For an event that was checked before or will be checked after, this is the same as reading
    /// on; for any other it may pass over faults.
    ///
    /// # Errors
    ///
    /// [`Fault::Malformed`] if the container does not end.
    pub fn skip_container(&mut self) -> Result<(), Fault> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        if !matches!(self.state, State::FirstMember | State::FirstElement) {
            return Ok(());
        }
        let skipped = self.skip_to_close();
        self.failed = skipped.err();
        skipped
    }

    /// Skips the value after a name (or the next element) without looking at it; like
    /// [`skip_container`](Self::skip_container) it checks only strings and balance.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn skip_value(&mut self) -> Result<(), Fault> {
        match self.next()? {
            Some(Token::BeginObject | Token::BeginArray) => self.skip_container(),
            _ => Ok(()),
        }
    }

    fn skip_to_close(&mut self) -> Result<(), Fault> {
        let mut open = 1u32;
        let mut at = self.at;
        while open > 0 {
            let byte = *self.bytes.get(at).ok_or(Fault::Malformed)?;
            at += 1;
            match byte {
                b'"' => at = skip_string(self.bytes, at)?,
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
        }
        self.at = at;
        self.token_start = at - 1;
        self.depth -= 1;
        self.state = State::After;
        Ok(())
    }

    #[inline(always)]
    fn step(&mut self) -> Result<Option<Token<'a>>, Fault> {
        self.skip_white_space();
        self.token_start = self.at;
        match (self.state, self.bytes.get(self.at)) {
            (State::FirstMember, Some(b'"')) => self.name().map(Some),
            (State::FirstMember, Some(b'}')) | (State::FirstElement, Some(b']')) => {
                self.close().map(Some)
            }
            (State::Value | State::FirstElement, Some(&byte)) => self.value(byte).map(Some),
            (State::After, None) if self.depth == 0 => Ok(None),
            (State::After, Some(b',')) if self.depth > 0 => {
                self.at += 1;
                self.skip_white_space();
                self.token_start = self.at;
                match self.bytes.get(self.at) {
                    Some(b'"') if self.in_object() => self.name().map(Some),
                    Some(&byte) if !self.in_object() => self.value(byte).map(Some),
                    _ => Err(Fault::Malformed),
                }
            }
            (State::After, Some(b'}' | b']')) => self.close().map(Some),
            _ => Err(Fault::Malformed),
        }
    }

    #[inline]
    fn skip_white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn name(&mut self) -> Result<Token<'a>, Fault> {
        let (name, end) = text::scan(self.bytes, self.at + 1)?;
        self.at = end;
        self.skip_white_space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(Fault::Malformed);
        }
        self.at += 1;
        self.state = State::Value;
        Ok(Token::Name(name))
    }

    #[inline(always)]
    fn value(&mut self, byte: u8) -> Result<Token<'a>, Fault> {
        let (token, end) = match byte {
            b'"' => {
                let (text, end) = text::scan(self.bytes, self.at + 1)?;
                (Token::String(text), end)
            }
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'-' | b'0'..=b'9' => {
                let (number, end) = number::scan(self.bytes, self.at)?;
                (Token::Number(number), end)
            }
            b't' => (Token::Bool(true), self.literal(b"true")?),
            b'f' => (Token::Bool(false), self.literal(b"false")?),
            b'n' => (Token::Null, self.literal(b"null")?),
            _ => return Err(Fault::Malformed),
        };
        self.at = end;
        self.state = State::After;
        Ok(token)
    }

    /// `trueX` needs no check of its own: whatever follows must be a comma, a bracket or the end.
    #[inline(always)]
    fn literal(&self, literal: &[u8]) -> Result<usize, Fault> {
        let end = self.at + literal.len();
        if self.bytes.get(self.at..end) == Some(literal) { Ok(end) } else { Err(Fault::Malformed) }
    }

    #[inline(always)]
    fn open(&mut self, object: bool) -> Result<Token<'a>, Fault> {
        if self.depth == Self::MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let bit = 1 << self.depth;
        self.depth += 1;
        self.at += 1;
        if object {
            self.objects |= bit;
            self.state = State::FirstMember;
            Ok(Token::BeginObject)
        } else {
            self.objects &= !bit;
            self.state = State::FirstElement;
            Ok(Token::BeginArray)
        }
    }

    #[inline(always)]
    fn close(&mut self) -> Result<Token<'a>, Fault> {
        let object = self.bytes.get(self.at) == Some(&b'}');
        if self.depth == 0 || object != self.in_object() {
            return Err(Fault::Malformed);
        }
        self.depth -= 1;
        self.at += 1;
        self.state = State::After;
        Ok(if object { Token::EndObject } else { Token::EndArray })
    }
}

/// Where the byte after the closing quote stands, for a string whose first inner byte is at `at`.
fn skip_string(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    loop {
        at = text::next_special(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return Err(Fault::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<usize, Fault> {
        let mut reader = Reader::new(text.as_bytes());
        let mut tokens = 0;
        while reader.next()?.is_some() {
            tokens += 1;
        }
        Ok(tokens)
    }

    #[test]
    fn reads_every_kind_of_value() {
        assert_eq!(read(r#" {"a":[1,-2.5e3,"x",true,false,null,{},[]],"b":{"c":""}} "#), Ok(20));
        assert_eq!(read("3"), Ok(1));
    }

    #[test]
    fn refuses_what_the_grammar_refuses() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[",
            "]",
            "[}",
            "{]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            r#"{a:1}"#,
            r#"{1:1}"#,
            "nul",
            "nulll",
            "trueX",
            "[true false]",
            "1 2",
            "{} {}",
            "{}\0",
            "\u{FEFF}{}",
            "// c\n1",
            "'a'",
            "[1]]",
        ] {
            assert_eq!(read(text), Err(Fault::Malformed), "{text:?}");
        }
    }

    /// F06: ten thousand brackets are an error, not a stack overflow.
    #[test]
    fn refuses_deep_nesting_at_its_first_step_too_far() {
        assert_eq!(read(&"[".repeat(10_000)), Err(Fault::TooDeep));
        let deepest = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert_eq!(read(&deepest), Ok(128));
    }

    #[test]
    fn a_fault_stays() {
        let mut reader = Reader::new(b"[1,]");
        while reader.next().is_ok() {}
        assert_eq!(reader.next(), Err(Fault::Malformed));
        assert_eq!(reader.skip_container(), Err(Fault::Malformed));
    }

    #[test]
    fn skipping_leads_to_the_same_place_as_reading() {
        let text = r#"{"a":{"x":"}]\"{","y":[1,{"z":[]}]},"b":7}"#;
        let mut reader = Reader::new(text.as_bytes());
        reader.next().unwrap();
        reader.next().unwrap();
        reader.skip_value().unwrap();
        assert_eq!(reader.depth(), 1);
        let Some(Token::Name(name)) = reader.next().unwrap() else { panic!("a name") };
        assert_eq!(name.raw(), b"b");
        reader.skip_value().unwrap();
        assert_eq!(reader.next(), Ok(Some(Token::EndObject)));
        assert_eq!(reader.next(), Ok(None));
    }
}
