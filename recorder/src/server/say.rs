//! What the peer is told, once it is so: the thread of the shared ports obeys a moment after it was told, and what the peer
//! sends after our answer is to be taken as the answer says.

use wire::sip::{
    endpoint::SessionId,
    message::{Body, Headers},
};

use super::run::{Server, said};
use crate::index::State;

/// An answer to a peer.
#[derive(Debug)]
pub(super) enum Word {
    /// Its session is accepted.
    Accepts(Headers, Body),
    /// Its change is accepted.
    Changes(Option<Body>),
}

impl Server {
    /// Answers: at once, or when the session's streams on a shared port have been told.
    pub(super) fn say_when_obeyed(&mut self, session: SessionId, word: Word) {
        let recording = self.sessions.get(&session);
        if recording.is_some_and(|recording| recording.is_shared()) {
            let obeyed = self.shared.obeyed();
            self.obeyed.spawn(async move {
                // Gone without a word: its thread has said why, and nobody hears these streams.
                let _obeyed = obeyed.await;
                (session, word)
            });
        } else {
            self.say(session, word);
        }
    }

    pub(super) fn say(&mut self, session: SessionId, word: Word) {
        let now = self.driver.now();
        let endpoint = self.driver.endpoint();
        match word {
            Word::Accepts(headers, body) => {
                let answered = endpoint.answer_with(now, session, &headers, Some(body));
                if answered.is_err() {
                    self.close(session, State::Truncated);
                }
            }
            Word::Changes(body) => said(endpoint.accept_change(now, session, body)),
        }
    }
}
