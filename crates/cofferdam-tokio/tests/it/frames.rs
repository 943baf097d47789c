//! The reader in front of a WebSocket over an in-memory pipe whose buffer is a few bytes.

use cofferdam_tokio::{Frame, FrameReader, ReadEnd};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

type Socket = WebSocketStream<DuplexStream>;

/// The platform's end and ours, with a pipe of so many bytes each way.
async fn pair(pipe: usize) -> (Socket, FrameReader<DuplexStream>) {
    let (theirs, ours) = duplex(pipe);
    let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
    let ours = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    (theirs, FrameReader::new(ours))
}

fn message(n: usize) -> Message {
    Message::text(format!("{n:0100}"))
}

fn number(frame: &Frame) -> usize {
    std::str::from_utf8(frame.bytes()).unwrap().parse().unwrap()
}

/// Sends until the pipe takes no more, and says how many it took. The one that was begun is the
/// sender's to finish.
fn send_until_blocked(socket: &mut Socket, from: usize) -> usize {
    let mut sent = 0;
    while socket.send(message(from + sent)).now_or_never().is_some() {
        sent += 1;
        assert!(sent < 1_000, "nothing pushes back");
    }
    sent
}

/// Promise 7: not reading is what makes the sender wait. Nothing sleeps here: a send that cannot go
/// on says so at once.
#[tokio::test]
async fn a_reader_that_does_not_read_makes_the_sender_wait() {
    let (mut platform, mut reader) = pair(1_024).await;
    // 1,024 bytes hold ten messages of 102 bytes, and the eleventh in part.
    let sent = send_until_blocked(&mut platform, 0);
    assert!((8..=11).contains(&sent), "{sent} went into a pipe of 1 KiB");
    for _ in 0..100 {
        assert!(platform.flush().now_or_never().is_none(), "it went on by itself");
    }
    // Reading lets it go on, from where it was, with nothing lost.
    let mut batch = Vec::new();
    let mut received = 0;
    while received <= sent {
        // The sender goes on as soon as there is room: a message may lie in the pipe in part.
        let on = async { platform.flush().now_or_never() };
        let (read, _) = tokio::join!(reader.read_batch(&mut batch, 4), on);
        read.unwrap();
        assert!(batch.len() <= 4, "{} in a batch of at most 4", batch.len());
        for frame in batch.drain(..) {
            assert_eq!(number(&frame), received, "in order");
            received += 1;
        }
    }
    assert_eq!(received, sent + 1, "the one that was begun came too");
    assert!(platform.flush().now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn a_batch_holds_what_is_there_and_no_more_than_asked_for() {
    let (mut platform, mut reader) = pair(64 << 10).await;
    for n in 0..10 {
        platform.send(message(n)).await.unwrap();
    }
    let mut batch = Vec::new();
    for expected in [4, 8, 10] {
        reader.read_batch(&mut batch, 4).await.unwrap();
        assert_eq!(batch.len(), expected);
    }
    assert!(batch.iter().map(number).eq(0..10));
    // With nothing there it waits, and a wait that is given up loses nothing.
    assert!(reader.read_batch(&mut batch, 4).now_or_never().is_none());
    platform.send(message(10)).await.unwrap();
    reader.read_batch(&mut batch, 4).await.unwrap();
    assert_eq!(batch.len(), 11);
}

#[tokio::test]
async fn pings_are_answered_and_are_not_frames() {
    let (mut platform, mut reader) = pair(4_096).await;
    platform.send(Message::Ping("are you there".into())).await.unwrap();
    platform.send(Message::binary(b"7".to_vec())).await.unwrap();
    let mut batch = Vec::new();
    reader.read_batch(&mut batch, 8).await.unwrap();
    assert_eq!(batch.iter().map(Frame::bytes).collect::<Vec<_>>(), [b"7"]);
    reader.send_text(String::from("next")).await.unwrap();
    let answers = [platform_reads(&mut platform).await, platform_reads(&mut platform).await];
    assert_eq!(answers, [Message::Pong("are you there".into()), Message::text("next")]);
}

async fn platform_reads(socket: &mut Socket) -> Message {
    socket.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn says_how_a_connection_ended() {
    let mut batch = Vec::new();
    let (mut platform, mut reader) = pair(4_096).await;
    platform.send(message(1)).await.unwrap();
    platform.close(None).await.unwrap();
    // The server's end of the handshake (RFC 6455 section 7.1.1): our goodbye, then the socket.
    let goodbye = async move { while let Some(Ok(_)) = platform.next().await {} };
    let reading = async {
        loop {
            if let Err(ended) = reader.read_batch(&mut batch, 8).await {
                return ended;
            }
        }
    };
    let (ended, ()) = tokio::join!(reading, goodbye);
    assert!(matches!(ended, ReadEnd::Closed), "{ended:?}");
    assert_eq!(batch.len(), 1, "what came before the goodbye is there");

    let (platform, mut reader) = pair(4_096).await;
    drop(platform);
    let ended = reader.read_batch(&mut batch, 8).await.unwrap_err();
    assert!(matches!(ended, ReadEnd::Reset), "{ended:?}");

    let (theirs, ours) = duplex(4_096);
    let mut reader =
        FrameReader::new(WebSocketStream::from_raw_socket(ours, Role::Client, None).await);
    let mut theirs = theirs;
    theirs.write_all(b"\xff\xff this is no frame").await.unwrap();
    let ended = reader.read_batch(&mut batch, 8).await.unwrap_err();
    assert!(matches!(ended, ReadEnd::Protocol), "{ended:?}");
}

/// A frame has not been redacted.
#[test]
fn a_frame_does_not_show_its_bytes() {
    let frame = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let (mut platform, mut reader) = pair(4_096).await;
        platform.send(Message::text("a secret")).await.unwrap();
        let mut batch = Vec::new();
        reader.read_batch(&mut batch, 1).await.unwrap();
        batch.remove(0)
    });
    assert_eq!(format!("{frame:?}"), "Frame(8 bytes)");
}
