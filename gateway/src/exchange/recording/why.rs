//! Why the recorder is lost, or a recording by it: who looks into it looks elsewhere for each.

use wire::sip::{endpoint::Ending, message::StatusCode};

/// What became of the recorder, or of one recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It doesn't answer in time.
    NoAnswer,
    /// There is no way to it: its connection is gone or can't be opened, or its address takes no audio.
    Unreachable,
    /// It refused the recording, with this.
    Refused(StatusCode),
    /// It ended the recording (BYE).
    Ended,
    /// It took the recording and listens to nothing of it, or answered what can't be used.
    NotHeard,
    /// This switch can't make one: no port is free, or as many sessions are open as may be.
    Own,
}

impl Why {
    /// Every label, for metrics that are there before anything happens.
    pub(crate) const LABELS: [&'static str; 6] = [
        "no_answer",
        "unreachable",
        "refused",
        "ended",
        "not_heard",
        "own",
    ];

    /// As metrics, the page and the log say it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Unreachable => "unreachable",
            Self::Refused(_) => "refused",
            Self::Ended => "ended",
            Self::NotHeard => "not_heard",
            Self::Own => "own",
        }
    }

    /// What the recorder said, when it said something.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(status.code()),
            _ => None,
        }
    }

    /// A session with it that is over.
    pub(in crate::exchange) const fn of_ending(ending: Ending) -> Self {
        match ending {
            Ending::Bye => Self::Ended,
            Ending::NoAck | Ending::Lost | Ending::Cancelled | Ending::Ours => Self::Unreachable,
        }
    }

    /// An INVITE to it that failed. Our own 503 tells of no way, our own 408 of no answer.
    pub(in crate::exchange) const fn of_rejected(status: StatusCode, from_peer: bool) -> Self {
        match (from_peer, status.code()) {
            (true, _) => Self::Refused(status),
            (false, 408) => Self::NoAnswer,
            (false, _) => Self::Unreachable,
        }
    }
}
