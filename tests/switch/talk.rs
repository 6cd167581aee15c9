//! A caller and a nurse who talk with each other through a switch, both played by hand.

use wire::sip::{
    endpoint::SessionId,
    message::{Request, Response},
};

use crate::{TO_QUEUE, handset::Handset, rig::Rig, routes};

/// A caller's kommun whose calls come to the queue.
pub(crate) const REGIONAL: (&str, &str) = ("X-Kommun-ID", "0488");

/// The two, and the switch between them.
pub(crate) struct Talk {
    pub(crate) rig: Rig,
    pub(crate) caller: Handset,
    /// The caller's session.
    pub(crate) call: SessionId,
    /// What the caller was answered.
    pub(crate) answered: Box<Response>,
    pub(crate) nurse: Handset,
    /// The nurse's session.
    pub(crate) talk: SessionId,
    /// What the nurse was called with.
    pub(crate) asked: Box<Request>,
}

impl Talk {
    /// With the queue's only nurse.
    pub(crate) async fn begin() -> Self {
        Self::begin_beside("").await
    }

    /// With the first of the queue's nurses; the others' phones are there (`, "sip:..."`).
    pub(crate) async fn begin_beside(others: &str) -> Self {
        let nurse = Handset::new().await;
        let agents = format!("[\"{}\"{others}]", nurse.uri());
        Self::through(Rig::start(&agents, &routes(TO_QUEUE)).await, nurse).await
    }

    /// With the queue's only nurse, recorded by that recorder, which has not answered yet; with that said of its `srtp`.
    pub(crate) async fn begin_recorded_at(recorder: &Handset, srtp: &str) -> Self {
        let nurse = Handset::new().await;
        let (recorder, agents) = (recorder.uri(), nurse.targets());
        let rig = Rig::start_recording_by(&recorder, srtp, &agents, &routes(TO_QUEUE)).await;
        Self::through(rig, nurse).await
    }

    /// Through a switch that is there, with the queue's nurse who is rung first.
    pub(crate) async fn through(rig: Rig, mut nurse: Handset) -> Self {
        let mut caller = Handset::at(rig.gateway.sip_addr().ip(), true).await;
        let offer = caller.talks();
        let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
        let (talk, asked) = nurse.answers().await;
        let answered = caller.is_answered().await;
        Self {
            rig,
            caller,
            call,
            answered,
            nurse,
            talk,
            asked,
        }
    }
}
