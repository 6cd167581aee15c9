//! Handover of a caller who has been answered: the caller's phone is asked to call the provider (REFER), and this switch
//! is out once it has (RFC 3515). Nothing here knows of recordings.

use callcore::switch::{ExternalCall, Input, LegFailure};
use transport::SipDriver;
use wire::sip::{
    endpoint::SessionId,
    header::NameAddr,
    message::{Headers, StatusCode},
    uri::Uri,
};

use super::{
    Exchange,
    call::{Far, Leg},
    far::failure_of,
};

impl Exchange {
    /// Asks the caller's phone to call there.
    pub(super) fn send_on(
        &mut self,
        sip: &mut SipDriver,
        external: ExternalCall,
        contact: Uri,
    ) -> Result<(), LegFailure> {
        let call = self
            .calls
            .get_mut(&external.call)
            .ok_or(LegFailure::Unavailable)?;
        if !call.asked.takes_refer {
            return Err(LegFailure::Refused);
        }
        let now = sip.now();
        sip.endpoint()
            .refer(
                now,
                call.caller,
                &NameAddr::new(contact),
                &Headers::default(),
            )
            .map_err(|_| LegFailure::Unavailable)?;
        call.far = Far::Referred(external, false);
        Ok(())
    }

    pub(super) fn refer_answered(&mut self, session: SessionId, result: Result<(), StatusCode>) {
        let Some(Leg::Caller(id)) = self.legs.get(&session).copied() else {
            return;
        };
        let Some(Far::Referred(_, taken)) = self.calls.get_mut(&id).map(|call| &mut call.far)
        else {
            return;
        };
        match result {
            Ok(()) => *taken = true,
            Err(status) => self.input_far_failed(id, failure_of(status, true)),
        }
    }

    pub(super) fn refer_progress(
        &mut self,
        session: SessionId,
        status: Option<StatusCode>,
        over: bool,
    ) {
        let Some(Leg::Caller(id)) = self.legs.get(&session).copied() else {
            return;
        };
        if !matches!(self.calls.get(&id), Some(call) if matches!(call.far, Far::Referred(..))) {
            return;
        }
        match status {
            Some(status) if status.is_success() => self.input(Input::ProviderAnswered(id)),
            Some(status) if status.is_final() => {
                self.input_far_failed(id, failure_of(status, true));
            }
            _ if over => self.input_far_failed(id, LegFailure::Unavailable),
            Some(StatusCode::TRYING) | None => {}
            Some(_) => self.input(Input::ProviderRinging(id)),
        }
    }

    /// Whether a caller who hangs up was on the way to the provider: many phones do so instead of telling.
    pub(super) fn was_sent_on(&self, id: callcore::switch::CallId) -> bool {
        self.calls
            .get(&id)
            .is_some_and(|call| matches!(call.far, Far::Referred(_, true)))
    }
}
