//! One walk down an event with the automata: which rule fires where.
//!
//! The walk keeps one small frame per open container and skips what no rule can reach. It does not
//! check the event again: under a dead state it takes strings and brackets only into account, so it
//! relies on the whole event having been checked.

use cofferdam_json::{Fault, Number, Reader, Text, Token};

use crate::automata::{Arrival, At, Automata};

/// Buffers of a walk.
#[derive(Default)]
pub(crate) struct Buffers {
    frames: Vec<Frame>,
    name: Vec<u8>,
}

/// An open container.
#[derive(Clone, Copy)]
struct Frame {
    at: At,
    /// The rule about the names of its members.
    names: Option<usize>,
    /// How many elements of it were read.
    index: u64,
    /// What it is called in the container around it.
    key: Key,
}

/// What a value is called in its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// By the symbol of its name.
    Name(usize),
    Index(u64),
}

/// Where in the event a rule fires.
pub(crate) struct Spot<'w> {
    outer: &'w [Frame],
    /// So many of the containers have no key.
    keyless: usize,
    container: Key,
    /// Unless it is the container that is meant.
    member: Option<Key>,
}

/// A value that a rule fires at.
pub(crate) struct Hit<'e> {
    pub(crate) rule: usize,
    /// The value, or the first token of it.
    pub(crate) token: Token<'e>,
    pub(crate) range: Range,
}

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    /// Where the container's opening bracket or the sibling before it ends.
    pub(crate) after: usize,
    /// Where the value starts and ends.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What is done at what rules find, in the order of the event.
pub(crate) trait Visit {
    /// Whether a rule leaves the member out, and its name with it.
    fn leaves_out(&self, rule: usize) -> bool;

    /// A value that a rule fires at.
    fn hit(&mut self, hit: &Hit<'_>, spot: &Spot<'_>) -> Result<(), Stop>;

    /// The name of a member, from quote to quote, that a rule treats and that stays.
    fn name(
        &mut self,
        rule: usize,
        name: Text<'_>,
        range: Range,
        spot: &Spot<'_>,
    ) -> Result<(), Stop>;

    /// A number in which detectors look, by the rule for texts.
    fn number(
        &mut self,
        rule: usize,
        number: Number<'_>,
        range: Range,
        spot: &Spot<'_>,
    ) -> Result<(), Stop>;

    /// A string into which a path may go on, or detectors look.
    fn string(&mut self, at: At, text: Text<'_>, range: Range, spot: &Spot<'_>)
    -> Result<(), Stop>;
}

/// The walk ended early: the bytes cannot be read, or the visitor gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop;

impl From<Fault> for Stop {
    fn from(_: Fault) -> Self {
        Self
    }
}

/// Walks `event`, which must be an object with nothing after it.
pub(crate) fn walk(
    automata: &Automata,
    event: &[u8],
    buffers: &mut Buffers,
    visitor: &mut impl Visit,
) -> Result<(), Stop> {
    let mut reader = Reader::new(event);
    if reader.next()? != Some(Token::BeginObject) {
        return Err(Stop);
    }
    buffers.frames.clear();
    let at = automata.start();
    if at.is_dead() {
        reader.skip_container()?;
        return if reader.next()?.is_none() { Ok(()) } else { Err(Stop) };
    }
    let names = automata.rule_of_names(at);
    let frame = Frame { at, names, index: 0, key: Key::Index(0) };
    Walk { automata, reader, frame, keyless: 1, buffers, visitor }.run()
}

/// Walks the container or string that is the value of `wrapped`'s only member, as if it stood `at` this place.
pub(crate) fn walk_wrapped(
    automata: &Automata,
    wrapped: &[u8],
    at: At,
    buffers: &mut Buffers,
    visitor: &mut impl Visit,
) -> Result<(), Stop> {
    let mut reader = Reader::new(wrapped);
    reader.next()?;
    reader.next()?;
    let after = reader.offset();
    let value = reader.next()?.ok_or(Stop)?;
    let is_object = value == Token::BeginObject;
    buffers.frames.clear();
    if let Token::String(text) = value {
        let range = Range { after, start: reader.token_start(), end: reader.offset() };
        let spot = Spot { outer: &[], keyless: 1, container: Key::Index(0), member: None };
        return visitor.string(at, text, range, &spot);
    }
    // The wrapper's own frame, of which nothing is left but its end.
    buffers.frames.push(Frame { at, names: None, index: 0, key: Key::Index(0) });
    let names = automata.rule_of_names(at).filter(|_| is_object);
    let frame = Frame { at, names, index: 0, key: Key::Index(0) };
    Walk { automata, reader, frame, keyless: 2, buffers, visitor }.run()
}

struct Walk<'w, 'e, V> {
    automata: &'w Automata,
    reader: Reader<'e>,
    frame: Frame,
    /// So many containers are no member of another one.
    keyless: usize,
    buffers: &'w mut Buffers,
    visitor: &'w mut V,
}

impl<V: Visit> Walk<'_, '_, V> {
    fn run(mut self) -> Result<(), Stop> {
        loop {
            let after = self.reader.offset();
            let (arrival, token, key) = match self.reader.next()? {
                None => return Ok(()),
                Some(Token::EndObject | Token::EndArray) => {
                    // Nothing is left to pop after the event's own end, and nothing but `None` follows.
                    self.frame = self.buffers.frames.pop().unwrap_or(self.frame);
                    continue;
                }
                Some(Token::Name(name)) => {
                    let symbol = self.automata.name(plain(name, &mut self.buffers.name));
                    let arrival = self.automata.step(self.frame.at, symbol);
                    if let Some(rule) = self.frame.names {
                        self.name(rule, name, arrival, after)?;
                    }
                    if matches!(arrival, Arrival::Into(at) if at.is_dead()) {
                        self.reader.skip_value()?;
                        continue;
                    }
                    (arrival, self.reader.next()?.ok_or(Stop)?, Key::Name(symbol))
                }
                Some(token) => {
                    let index = self.frame.index;
                    self.frame.index += 1;
                    let arrival = self.automata.step(self.frame.at, self.automata.index(index));
                    (arrival, token, Key::Index(index))
                }
            };
            self.arrive(arrival, token, key, after)?;
        }
    }

    #[inline]
    fn arrive(
        &mut self,
        arrival: Arrival,
        token: Token<'_>,
        key: Key,
        after: usize,
    ) -> Result<(), Stop> {
        let start = self.reader.token_start();
        match (arrival, token) {
            (Arrival::Fire(rule), token) => {
                self.reader.skip_container()?;
                let range = Range { after, start, end: self.reader.offset() };
                let spot = spot(self.buffers, self.frame.key, self.keyless, Some(key));
                self.visitor.hit(&Hit { rule, token, range }, &spot)
            }
            (Arrival::Into(at), _) if at.is_dead() => Ok(self.reader.skip_container()?),
            (Arrival::Into(at), Token::BeginObject | Token::BeginArray) => {
                let is_object = token == Token::BeginObject;
                let names = self.automata.rule_of_names(at).filter(|_| is_object);
                self.buffers.frames.push(self.frame);
                self.frame = Frame { at, names, index: 0, key };
                Ok(())
            }
            (Arrival::Into(at), Token::String(text)) => {
                let range = Range { after, start, end: self.reader.offset() };
                let spot = spot(self.buffers, self.frame.key, self.keyless, Some(key));
                self.visitor.string(at, text, range, &spot)
            }
            (Arrival::Into(At { under: Some(rule), .. }), Token::Number(number)) => {
                let range = Range { after, start, end: self.reader.offset() };
                let spot = spot(self.buffers, self.frame.key, self.keyless, Some(key));
                self.visitor.number(usize::from(rule), number, range, &spot)
            }
            (Arrival::Into(_), _) => Ok(()),
        }
    }

    fn name(
        &mut self,
        rule: usize,
        name: Text<'_>,
        arrival: Arrival,
        after: usize,
    ) -> Result<(), Stop> {
        if matches!(arrival, Arrival::Fire(other) if self.visitor.leaves_out(other)) {
            return Ok(());
        }
        let start = self.reader.token_start();
        let range = Range { after, start, end: start + name.raw().len() + 2 };
        // It is the object's rule, so the object is where it fires.
        let spot = spot(self.buffers, self.frame.key, self.keyless, None);
        self.visitor.name(rule, name, range, &spot)
    }
}

fn spot(buffers: &Buffers, container: Key, keyless: usize, member: Option<Key>) -> Spot<'_> {
    Spot { outer: &buffers.frames, keyless, container, member }
}

impl Spot<'_> {
    /// The keys that lead from the event to the value.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        let outer = self.outer.iter().map(|frame| frame.key);
        outer.chain([self.container]).chain(self.member).skip(self.keyless)
    }
}

/// What a name says; a borrow unless there are escapes in it.
#[inline]
fn plain<'a>(name: Text<'a>, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if name.is_escaped() { name.decode(buffer) } else { name.raw() }
}
