//! Messages out of a byte stream (RFC 3261 section 18.3; keep-alives of RFC 5626 section 3.5.1).

use super::{
    limits::MESSAGE_MAX,
    message::{Message, ParseError},
    parse::{Head, find_head_end},
};

/// Cuts a stream into messages by their Content-Length.
///
/// Once [`Framer::next`] has given `None`, at most [`MESSAGE_MAX`] bytes are held: push no more than one read at a time, and empty it between.
#[derive(Debug, Default)]
pub struct Framer {
    held: Vec<u8>,
    /// Bytes of `held` already given out.
    start: usize,
    /// Bytes after `start` in which no end of head was found.
    searched: usize,
    /// A head that waits for its body: the head's bytes and the body's.
    waiting: Option<Waiting>,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    head: Head,
    head_len: usize,
    body_len: usize,
}

/// What a stream brings.
#[derive(Debug)]
pub enum Frame {
    /// A message.
    Message(Message),
    /// CRLFCRLF: the peer asks whether we are there; answer with [`PONG`].
    Ping,
}

/// CRLF: the answer to a ping (RFC 5626 section 3.5.1).
pub const PONG: &[u8] = b"\r\n";

/// CRLFCRLF: asks a peer whether it is there.
pub const PING: &[u8] = b"\r\n\r\n";

/// What is wrong in a stream.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// This message can't be read, but the next one can: answer with [`ParseError::bad_request`] and go on.
    #[error("malformed message: {0}")]
    Malformed(ParseError),
    /// No Content-Length that can be read: where the next message begins isn't known. Close (after the 400, if any).
    #[error("no valid Content-Length on a stream: {0}")]
    NoLength(ParseError),
    /// The message is over [`MESSAGE_MAX`] bytes, or isn't SIP at all and has no end. Close.
    #[error("over {MESSAGE_MAX} bytes without a whole message")]
    TooLarge,
}

impl FrameError {
    /// Whether the connection must be closed; the framer gives nothing more then.
    pub const fn closes(&self) -> bool {
        !matches!(self, Self::Malformed(_))
    }
}

impl Framer {
    /// Takes what came; cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.closed {
            self.held.extend_from_slice(bytes);
        }
    }

    /// Whether part of a message is held: a peer that leaves it so too long is stalling. A line break between messages is
    /// no part of one: phones send it to keep a connection open.
    pub fn is_partial(&self) -> bool {
        let held = self.held.get(self.start..).unwrap_or_default();
        !matches!(held, b"" | b"\r" | b"\r\n" | b"\r\n\r")
    }

    /// Takes a single line break that is held, when there is one: the answer to a ping of ours. Else it could be half a ping.
    pub fn take_pong(&mut self) -> bool {
        let is = self.held.get(self.start..) == Some(PONG);
        if is {
            self.start += PONG.len();
            self.forget_given();
        }
        is
    }

    /// The next whole message or ping; `None` until more comes.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it gives changes with each push, an iterator would promise an end"
    )]
    pub fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        let frame = self.step();
        match &frame {
            None => self.forget_given(),
            Some(Err(error)) if error.closes() => {
                *self = Self {
                    closed: true,
                    ..Self::default()
                }
            }
            Some(_) => {}
        }
        frame
    }

    fn step(&mut self) -> Option<Result<Frame, FrameError>> {
        if let Some(waiting) = self.waiting.take() {
            return self.body(waiting);
        }
        if self.skip_line_breaks() {
            return Some(Ok(Frame::Ping));
        }
        let held = self.held.get(self.start..).unwrap_or_default();
        let Some(head_len) = find_head_end(held, self.searched).filter(|end| *end <= MESSAGE_MAX)
        else {
            self.searched = held.len();
            return (held.len() >= MESSAGE_MAX).then_some(Err(FrameError::TooLarge));
        };
        self.searched = 0;
        let head = Head::read(held.get(..head_len).unwrap_or_default());
        let Some(body_len) = head.content_length() else {
            return Some(Err(FrameError::NoLength(head.without_length())));
        };
        if body_len > MESSAGE_MAX - head_len {
            return Some(Err(FrameError::TooLarge));
        }
        self.body(Waiting {
            head,
            head_len,
            body_len,
        })
    }

    fn body(&mut self, waiting: Waiting) -> Option<Result<Frame, FrameError>> {
        let body_start = self.start + waiting.head_len;
        let end = body_start + waiting.body_len;
        let Some(body) = self.held.get(body_start..end) else {
            self.waiting = Some(waiting);
            return None;
        };
        self.start = end;
        Some(
            waiting
                .head
                .finish(body)
                .map(Frame::Message)
                .map_err(FrameError::Malformed),
        )
    }

    /// Skips CRLFs between messages; `true` when there were two, which is a ping.
    fn skip_line_breaks(&mut self) -> bool {
        while let Some(rest) = self
            .held
            .get(self.start..)
            .and_then(|held| held.strip_prefix(b"\r\n"))
        {
            if rest.starts_with(b"\r\n") {
                self.start += 4;
                return true;
            }
            // The second CRLF of a ping may be on its way.
            if rest.is_empty() || rest == b"\r" {
                return false;
            }
            self.start += 2;
        }
        false
    }

    fn forget_given(&mut self) {
        self.held.drain(..self.start);
        self.start = 0;
        if self.held.is_empty() && self.held.capacity() > MESSAGE_MAX {
            self.held = Vec::new();
        }
    }
}
