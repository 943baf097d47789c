//! The head of a request, read within bounds and refused where two parsers could disagree on it.
//!
//! Request smuggling lives on differences: one reader ends a line at a bare LF, another does not;
//! one folds a line that begins with a space, another takes it for a header. The library behind us
//! (`httparse`) refuses most of that and tolerates some, such as bare LFs and empty lines before
//! the request. So the bytes are looked at first: lines end with CRLF and in no other way, nothing
//! is folded, a header's name is followed by its colon, and the head is all there is, since a
//! request without a body has nothing after it (SECURITY U04). What comes after it is no second
//! request and no frame; it is never parsed (U08).

use std::{future::poll_fn, pin::Pin, task::Poll};

use cofferdam_auth::AuthFailure;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio_tungstenite::tungstenite::{handshake::machine::TryParse, http};

use super::UpgradeError;

/// The longest head in bytes. A token may have 8 KiB, an address 5.
const MAX_HEAD: usize = 16 * 1024;
/// How much is read at once.
const CHUNK: usize = 2 * 1024;
/// The most that is read of a refused peer's leavings.
const MAX_DISCARD: usize = 64 * 1024;

/// Reads one request that is nothing but a head.
pub(super) async fn read<S>(socket: &mut S) -> Result<http::Request<()>, UpgradeError>
where
    S: AsyncRead + Unpin,
{
    let malformed = || UpgradeError::Denied(AuthFailure::malformed_request());
    let mut head = Vec::with_capacity(CHUNK);
    loop {
        // The end may be spread over two reads.
        let seen = head.len().saturating_sub(3);
        match socket.read_buf(&mut head).await {
            Ok(0) | Err(_) => return Err(UpgradeError::Handshake),
            Ok(_) => {}
        }
        if has_bare_line_feed(&head, seen) {
            // Waiting for the end would be in vain: to the peer, this may have been it.
            return Err(malformed());
        }
        match end(&head[seen..]) {
            Some(end) if seen + end == head.len() && head.len() <= MAX_HEAD => break,
            None if head.len() < MAX_HEAD => head.reserve(CHUNK),
            _ => return Err(malformed()),
        }
    }
    if !is_unambiguous(&head) {
        return Err(malformed());
    }
    match http::Request::try_parse(&head) {
        Ok(Some((length, request))) if length == head.len() => Ok(request),
        _ => Err(malformed()),
    }
}

/// Where the first head ends.
fn end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Whether a line ends in LF alone, from this place on.
fn has_bare_line_feed(head: &[u8], from: usize) -> bool {
    let bare = |two: &[u8]| two[1] == b'\n' && two[0] != b'\r';
    head.first() == Some(&b'\n') || head[from..].windows(2).any(bare)
}

/// RFC 9112: CRLF and nothing else ends a line (section 2.2), a request line has two single spaces
/// (section 3), a name is a token with its colon (section 5.1), nothing is folded (section 5.2).
fn is_unambiguous(head: &[u8]) -> bool {
    let Some(text) = head.strip_suffix(b"\r\n\r\n") else { return false };
    let mut rest = Some(text);
    let mut at = 0;
    while let Some(text) = rest {
        let end = text.windows(2).position(|two| two == b"\r\n");
        let line = &text[..end.unwrap_or(text.len())];
        rest = end.map(|end| &text[end + 2..]);
        let sound = if at == 0 { is_request_line(line) } else { is_header(line) };
        if !sound || line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return false;
        }
        at += 1;
    }
    true
}

fn is_request_line(line: &[u8]) -> bool {
    let mut parts = line.split(|&byte| byte == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    // A fragment is no part of a request; readers cut it off in different places.
    let is_target = |target: &[u8]| {
        !target.is_empty() && target.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#')
    };
    method.is_some_and(is_name)
        && target.is_some_and(is_target)
        && version == Some(b"HTTP/1.1")
        && parts.next().is_none()
}

fn is_header(line: &[u8]) -> bool {
    line.iter().position(|&byte| byte == b':').is_some_and(|colon| is_name(&line[..colon]))
}

/// A token (RFC 9110 section 5.6.2), which has no spaces.
fn is_name(name: &[u8]) -> bool {
    http::HeaderName::from_bytes(name).is_ok()
}

/// Whether the peer has said anything that nobody read yet, or has gone. Does not wait.
pub(super) async fn has_more<S: AsyncRead + Unpin>(socket: &mut S) -> bool {
    let mut byte = [0];
    arrived(socket, &mut byte).await.is_some()
}

/// Reads what the peer has said, and forgets it. Does not wait for more.
pub(super) async fn discard<S: AsyncRead + Unpin>(socket: &mut S) {
    let mut chunk = [0; CHUNK];
    let mut left = MAX_DISCARD;
    while let Some(length) = arrived(socket, &mut chunk).await {
        if length == 0 || length >= left {
            return;
        }
        left -= length;
    }
}

/// How many bytes are there by now; `None` if the peer is silent, zero if it is gone.
async fn arrived<S: AsyncRead + Unpin>(socket: &mut S, chunk: &mut [u8]) -> Option<usize> {
    poll_fn(|task| {
        let mut buffer = ReadBuf::new(chunk);
        Poll::Ready(match Pin::new(&mut *socket).poll_read(task, &mut buffer) {
            Poll::Ready(Ok(())) => Some(buffer.filled().len()),
            Poll::Ready(Err(_)) => Some(0),
            Poll::Pending => None,
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U04.
    #[test]
    fn a_head_that_two_parsers_could_read_in_two_ways_is_refused() {
        let sound = b"GET /x HTTP/1.1\r\nHost: a\r\nX-Y:\tb c\r\n\r\n";
        assert!(is_unambiguous(sound));
        for head in [
            &b"GET /x HTTP/1.1\nHost: a\r\n\r\n"[..],
            b"GET /x HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: a\r\r\nX: b\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: a\r\n\tX: b\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost\t: a\r\n\r\n",
            b"GET /x HTTP/1.1\r\n: a\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: a\0\r\n\r\n",
            b"\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
            b" GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET  /x HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /x  HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /x HTTP/1.1 \r\nHost: a\r\n\r\n",
            b"GET /x y HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET\t/x HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /x HTTP/1.0\r\nHost: a\r\n\r\n",
            b"GET /x HTTP/2.0\r\nHost: a\r\n\r\n",
            b"GET /x http/1.1\r\nHost: a\r\n\r\n",
            b"GET /x\r\nHost: a\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: a\r\n",
        ] {
            assert!(!is_unambiguous(head), "{:?}", String::from_utf8_lossy(head));
        }
    }
}
