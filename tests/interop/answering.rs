//! A nurse or a provider: a test phone that answers in the background.

use std::{net::SocketAddr, time::Duration};

use testkit::{AnswerPlan, CallResult, Phone, Sound, Then, Until, child::DEADLINE};
use tokio::task::JoinHandle;
use wire::sip::message::{HeaderName, StatusCode};

use crate::sound;

/// How much audio is heard before the phone hangs up: enough for a recording to begin and to have something in it.
const ENOUGH: Duration = Duration::from_secs(2);

/// A phone waiting for its calls.
pub(crate) struct Answering {
    phone: Phone,
}

/// The call it is waiting for.
pub(crate) struct Waiting(JoinHandle<(Phone, CallResult)>);

impl Answering {
    /// A phone on a free port.
    pub(crate) fn new() -> Self {
        let phone = Phone::bind().expect("a free port");
        Self { phone }
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.phone.address()
    }

    /// Answers the next call with its tone, hears the caller for a while, and hangs up.
    pub(crate) fn answer(self) -> Waiting {
        self.follow(AnswerPlan {
            sound: Sound::Tone(sound::ANSWERER),
            until: Until::Heard(ENOUGH),
            deadline: DEADLINE,
            ..AnswerPlan::default()
        })
    }

    /// Rings until the caller gives up.
    pub(crate) fn ring_on(self) -> Waiting {
        self.follow(AnswerPlan {
            then: Then::RingOn,
            deadline: DEADLINE,
            ..AnswerPlan::default()
        })
    }

    /// Is busy.
    pub(crate) fn refuse(self) -> Waiting {
        self.follow(AnswerPlan {
            then: Then::Reject(StatusCode::BUSY_HERE),
            deadline: DEADLINE,
            ..AnswerPlan::default()
        })
    }

    /// The kommun-ID that came with a call.
    pub(crate) fn kommun_of(call: &CallResult) -> Option<String> {
        let header = HeaderName::parse("X-Kommun-ID")?;
        let request = call.request.as_ref()?;
        request.headers.get(&header).map(str::to_owned)
    }

    fn follow(mut self, plan: AnswerPlan) -> Waiting {
        Waiting(tokio::spawn(async move {
            let result = self.phone.answer(plan).await;
            (self.phone, result)
        }))
    }
}

impl Waiting {
    /// What came of the call, and the phone for the next one.
    pub(crate) async fn result(self) -> (Answering, CallResult) {
        let (phone, result) = self.0.await.expect("the phone doesn't fall over");
        (Answering { phone }, result)
    }

    /// A phone that refuses at once still waits for somebody to refuse.
    pub(crate) fn nobody_called(self) {
        assert!(!self.0.is_finished(), "somebody called");
        self.0.abort();
    }
}
