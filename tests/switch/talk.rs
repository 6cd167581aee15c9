//! A caller and a nurse who talk with each other through a switch, both played by hand.

use wire::sip::{endpoint::SessionId, message::Request};

use crate::{TO_QUEUE, handset::Handset, rig::Rig, routes};

/// A caller's kommun whose calls come to the queue.
pub(crate) const REGIONAL: (&str, &str) = ("X-Kommun-ID", "0488");

/// The two, and the switch between them.
pub(crate) struct Talk {
    pub(crate) rig: Rig,
    pub(crate) caller: Handset,
    /// The caller's session.
    pub(crate) call: SessionId,
    pub(crate) nurse: Handset,
    /// The nurse's.
    pub(crate) talk: SessionId,
    /// What the nurse was called with.
    pub(crate) request: Box<Request>,
}

impl Talk {
    /// With the queue's only nurse.
    pub(crate) async fn begin() -> Self {
        Self::begin_beside("").await
    }

    /// With the first of the queue's nurses; the others' phones are there (`, "sip:..."`).
    pub(crate) async fn begin_beside(others: &str) -> Self {
        let mut nurse = Handset::new().await;
        let agents = format!("[\"{}\"{others}]", nurse.uri());
        let rig = Rig::start(&agents, &routes(TO_QUEUE)).await;
        let mut caller = Handset::new().await;
        let offer = caller.talks();
        let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
        let (talk, request) = nurse.answers().await;
        caller.is_answered().await;
        Self {
            rig,
            caller,
            call,
            nurse,
            talk,
            request,
        }
    }
}
