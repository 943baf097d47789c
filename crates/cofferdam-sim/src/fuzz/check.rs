//! The body for the strict check: it accepts what a reading token by token accepts, and no more.

use std::collections::BTreeSet;

use cofferdam_json::{self as json, Fault, Limits, Reader, Scratch, Token};

use super::{document, source::Source};

/// Reads `data` as bytes; as bytes in an object and in an array; and as the choices of an event in
/// some spelling, with a few edits, alone and behind more bytes than one window holds.
///
/// # Panics
///
/// If the check and a reading token by token disagree about any of them.
pub fn check(data: &[u8]) {
    hold(data);
    hold(&[b"{", data, b"}"].concat());
    hold(&[b"{\"\":[", data, b"]}"].concat());

    let mut source = Source::new(data);
    let event = document::event(&mut source);
    let mut spelled = document::spelled(&event, &mut source).into_bytes();
    hold(&spelled);
    if source.coin() {
        spelled = long(&spelled, &mut source);
        hold(&spelled);
    }
    while !source.is_empty() {
        edit(&mut spelled, &mut source);
        hold(&spelled);
    }
}

/// The event as a member of an object, behind others that are as long as a few blocks, or some more.
fn long(event: &[u8], source: &mut Source<'_>) -> Vec<u8> {
    let mut long = b"{\"".to_vec();
    let kinds: [&[u8]; 6] = [b"a", b"\\\\", b"\\u00e9", "\u{e9}".as_bytes(), b"{,", b":\\\""];
    let kind = source.pick(&kinds);
    (0..source.below(256)).for_each(|_| long.extend_from_slice(kind));
    long.extend_from_slice(b"\":");
    let spaces = source.below(256);
    long.extend(std::iter::repeat_n(b' ', spaces));
    long.push(b'[');
    let value: [&[u8]; 6] = [b"1,", b"true,", b"-1.5e3,", b"{\"a\":0},", b"\"x\",", b" [ ] ,"];
    let value = source.pick(&value);
    (0..source.below(256)).for_each(|_| long.extend_from_slice(value));
    long.extend_from_slice(b"0],\"event\":");
    long.extend_from_slice(event);
    long.push(b'}');
    long
}

/// Puts in, takes out or replaces a byte, or cuts the rest off.
fn edit(event: &mut Vec<u8>, source: &mut Source<'_>) {
    let at = (source.below(256) << 8 | source.below(256)) % (event.len() + 1);
    let byte = if source.coin() { *source.pick(b"\"\\{}[],: \n0-.e1tnu") } else { source.byte() };
    match source.below(7) {
        0 | 1 => event.insert(at, byte),
        2 | 3 if at < event.len() => drop(event.remove(at)),
        4 => event.truncate(at),
        _ => event.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
    }
}

fn hold(event: &[u8]) {
    let mut scratch = Scratch::new([3; 16]);
    for depth in [Reader::MAX_DEPTH, 2] {
        let limits = Limits::new(1 << 20, depth);
        let expected = token_by_token(event, depth);
        assert_eq!(json::check(event, &limits, &mut scratch), expected, "{}", event.escape_ascii());
    }
}

/// The check as one would write it down: UTF-8, then the tokens, then the names.
fn token_by_token(event: &[u8], max_depth: u32) -> Result<(), Fault> {
    if std::str::from_utf8(event).is_err() {
        return Err(Fault::InvalidText);
    }
    let mut reader = Reader::new(event);
    if reader.next()? != Some(Token::BeginObject) {
        return Err(Fault::Malformed);
    }
    let (mut open, mut twice) = (vec![BTreeSet::new()], false);
    while let Some(token) = reader.next()? {
        match token {
            Token::Name(name) => {
                let name = name.decode(&mut Vec::new()).to_vec();
                twice |= open.last_mut().is_none_or(|names| !names.insert(name));
            }
            Token::BeginObject => open.push(BTreeSet::new()),
            Token::EndObject => drop(open.pop()),
            _ => {}
        }
        if reader.depth() > max_depth {
            return Err(Fault::TooDeep);
        }
    }
    if twice { Err(Fault::DuplicateName) } else { Ok(()) }
}
