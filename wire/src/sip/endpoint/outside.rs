//! Requests outside any session that the endpoint's user answers itself: REGISTER (RFC 3261 section 10).

use super::{
    Endpoint,
    border::{Event, RequestId, SessionError},
    ident,
    servers::{Answer, Incoming},
};
use crate::{
    sip::message::{Headers, StatusCode},
    time::Time,
};

impl Endpoint {
    /// Answers a request that came as [`Event::Request`], with a final status. Once.
    ///
    /// # Errors
    /// When it was answered before, or the status is provisional.
    pub fn respond_to(
        &mut self,
        now: Time,
        id: RequestId,
        status: StatusCode,
        headers: &Headers,
    ) -> Result<(), SessionError> {
        if status.code() < 200 {
            return Err(SessionError::WrongStatus);
        }
        if status.code() >= 300 {
            self.counters.refuse(status.code());
        }
        let mut answer = Answer::new(status);
        answer.headers.append(headers);
        self.respond(now, id.0, answer)
            .map(drop)
            .ok_or(SessionError::WrongState)
    }

    /// Hands a request to the user, who answers it by [`Endpoint::respond_to`].
    pub(crate) fn hand_to_user(&mut self, incoming: Incoming) {
        if !self.has_room() {
            return self.refuse(&incoming, Answer::new(StatusCode::SERVICE_UNAVAILABLE));
        }
        let tag = self.names.stateless_tag(incoming.key);
        let Some(to) = incoming.to_with_tag(&ident::text(tag)) else {
            return;
        };
        self.serve(&incoming, to, None, None);
        let Incoming {
            request, key, flow, ..
        } = incoming;
        self.tell(Event::Request {
            id: RequestId(key),
            request: Box::new(request),
            flow,
        });
    }
}
