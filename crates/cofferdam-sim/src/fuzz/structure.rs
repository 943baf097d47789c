//! The body for the structure of documents: what is found 64 bytes at a time is what is there.
#![expect(clippy::expect_used, reason = "a fuzz body is made of assertions")]

use cofferdam_json::{Limits, Reader, Scratch, Structure, Token, Window, check};

use super::source::Source;

/// Reads `data` as bytes, and bytes that are drawn from it and are long enough for several windows.
///
/// Held against each other: the machine's own vector instructions, a reading byte by byte, and, of
/// what is sound JSON, the reader's tokens.
///
/// # Panics
///
/// If two of them disagree.
pub fn structure(data: &[u8]) {
    hold(data);
    let mut source = Source::new(data);
    let mut drawn = Vec::new();
    while !source.is_empty() && drawn.len() < 10_000 {
        let piece: &[u8] = match source.below(12) {
            0 => b"\\",
            1 => b"\"",
            2 => b"\\\\\\\"",
            3 => b"{",
            4 => b"}",
            5 => b"[",
            6 => b"]",
            7 => b",",
            8 => b":",
            9 => &[0; 64],
            _ => b"what nobody looks for, nor in between",
        };
        let times = 1 + source.below(70);
        let room = 1 + 10_000 / piece.len();
        (0..times.min(room)).for_each(|_| drawn.extend_from_slice(piece));
        drawn.push(source.byte());
    }
    hold(&drawn);
}

fn hold(bytes: &[u8]) {
    let kinds = kinds(bytes);
    // One for all: nothing of a document is left to the next.
    let mut window = Window::default();
    let mut structure = Structure::new(bytes, &mut window);
    follow(&kinds, |kind| kind == b'"', |from| structure.quote(from));
    let mut structure = Structure::new(bytes, &mut window);
    follow(&kinds, |kind| b"(,)".contains(&kind), |from| structure.structural(from));

    // As many as say something; all of them would take the square of the time.
    let opens = kinds.iter().enumerate().filter(|(_, kind)| **kind == b'(').map(|(at, _)| at);
    for open in opens.take(8) {
        let mut depth = 0;
        let end = (open..kinds.len()).find(|&at| {
            depth += i32::from(kinds[at] == b'(') - i32::from(kinds[at] == b')');
            depth == 0
        });
        let mut structure = Structure::new(bytes, &mut window);
        assert_eq!(structure.end_of_container(open), end, "of the container at {open}");
    }
    if check(bytes, &Limits::default(), &mut Scratch::new([3; 16])).is_ok() {
        tokens(bytes, &mut window);
    }
}

/// What each byte is, found one after the other: a quote that counts, a bracket or comma outside
/// strings, or nothing.
fn kinds(bytes: &[u8]) -> Vec<u8> {
    let (mut in_string, mut backslashes) = (false, 0);
    let kind = |&byte: &u8| {
        let is_escaped = backslashes % 2 == 1;
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
        match byte {
            b'"' if !is_escaped => {
                in_string = !in_string;
                b'"'
            }
            b'{' | b'[' if !in_string => b'(',
            b'}' | b']' if !in_string => b')',
            b',' if !in_string => b',',
            _ => b' ',
        }
    };
    bytes.iter().map(kind).collect()
}

fn follow(kinds: &[u8], is: impl Fn(u8) -> bool, mut next: impl FnMut(usize) -> Option<usize>) {
    let mut from = 0;
    for at in (0..kinds.len()).filter(|&at| is(kinds[at])) {
        assert_eq!(next(from), Some(at), "from {from}");
        from = at + 1;
    }
    assert_eq!(next(from), None, "from {from}");
}

/// Of sound JSON: each string lies between the next two quotes, and is escaped if it is.
fn tokens(bytes: &[u8], window: &mut Window) {
    let (mut reader, mut structure) = (Reader::new(bytes), Structure::new(bytes, window));
    let mut from = 0;
    while let Some(token) = reader.next().expect("it was checked") {
        let (Token::Name(text) | Token::String(text)) = token else { continue };
        let start = structure.quote(from).expect("a string begins") + 1;
        let end = structure.quote(start).expect("and ends");
        assert_eq!(bytes.get(start..end), Some(text.raw()));
        assert_eq!(structure.has_backslash(start, end), text.is_escaped());
        from = end + 1;
    }
}
