//! One walk down an event with the automaton: which rule fires where.
//!
//! The walk keeps one small frame per open container and skips what no rule can reach. It does not
//! check the event again: under a dead state it takes strings and brackets only into account, so it
//! relies on the whole event having been checked.

use cofferdam_json::{Fault, Reader, Text, Token};

use crate::automaton::{Automaton, State, Step};

/// Buffers of a walk.
#[derive(Default)]
pub(crate) struct Buffers {
    frames: Vec<Frame>,
    name: Vec<u8>,
}

/// An open container: its state, and how many elements of it were read.
#[derive(Clone, Copy)]
struct Frame {
    state: State,
    index: u64,
}

/// A value that a rule fires at.
pub(crate) struct Hit<'e> {
    pub(crate) rule: usize,
    /// The value, or the first token of it.
    pub(crate) token: Token<'e>,
    /// Where the container's opening bracket or the sibling before it ends.
    pub(crate) after: usize,
    /// Where the value starts and ends.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What is done at the values that rules fire at, in the order of the event.
pub(crate) trait Visit {
    fn hit(&mut self, hit: &Hit<'_>) -> Result<(), Stop>;
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
    automaton: &Automaton,
    event: &[u8],
    buffers: &mut Buffers,
    visitor: &mut impl Visit,
) -> Result<(), Stop> {
    let mut reader = Reader::new(event);
    if reader.next()? != Some(Token::BeginObject) {
        return Err(Stop);
    }
    buffers.frames.clear();
    let Some(state) = automaton.start() else {
        reader.skip_container()?;
        return if reader.next()?.is_none() { Ok(()) } else { Err(Stop) };
    };
    let mut frame = Frame { state, index: 0 };
    loop {
        let after = reader.offset();
        let (step, token) = match reader.next()? {
            None => return Ok(()),
            Some(Token::EndObject | Token::EndArray) => {
                // Nothing is left to pop after the event's own end, and nothing but `None` follows.
                frame = buffers.frames.pop().unwrap_or(frame);
                continue;
            }
            Some(Token::Name(name)) => {
                let step = automaton.member(frame.state, plain(name, &mut buffers.name));
                if step == Step::Dead {
                    reader.skip_value()?;
                    continue;
                }
                (step, reader.next()?.ok_or(Stop)?)
            }
            Some(token) => {
                let step = automaton.element(frame.state, frame.index);
                frame.index += 1;
                (step, token)
            }
        };
        match step {
            Step::Dead => reader.skip_container()?,
            Step::Into(state) => {
                if matches!(token, Token::BeginObject | Token::BeginArray) {
                    buffers.frames.push(frame);
                    frame = Frame { state, index: 0 };
                }
            }
            Step::Fire(rule) => {
                let start = reader.token_start();
                reader.skip_container()?;
                visitor.hit(&Hit { rule, token, after, start, end: reader.offset() })?;
            }
        }
    }
}

/// What a name says; a borrow unless there are escapes in it.
#[inline]
fn plain<'a>(name: Text<'a>, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if name.is_escaped() { name.decode(buffer) } else { name.raw() }
}
