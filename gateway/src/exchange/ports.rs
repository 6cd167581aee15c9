//! Which port of ours a leg has, where that depends on its remote: an offer is answered from the right one at once; who answered
//! ours, and turns out to need another, is told of it by a re-INVITE.

use callcore::switch::{CallId, Input, LegFailure};
use transport::{SipDriver, media::PortsError};
use wire::{
    sdp::Direction,
    sip::{
        endpoint::SessionId,
        message::{Body, StatusCode},
    },
};

use super::{
    Exchange,
    call::{Call, Leg, NewPort},
};
use crate::{
    crypto::OurCrypto,
    media::{Agreed, Media, MediaFactory, Port, Side},
    negotiate::{self, Edition},
};

/// Our answer to an offer.
pub(super) struct Reply {
    pub(super) body: Body,
    pub(super) encrypted: bool,
}

/// Says in the log why there is no port: the other side is told only that the call can't be carried.
pub(super) fn log_none(call: CallId, error: &PortsError) {
    tracing::error!(call = call.0, %error, "no port for a call's audio");
}

/// The same where somebody was to be called, whose fault it isn't.
pub(super) fn our_fault(call: CallId, error: &PortsError) -> LegFailure {
    log_none(call, error);
    LegFailure::OurFault
}

/// Answers an offer from the port where its remote will be heard; `next` is the edition and the way that audio may go, and `None` for
/// our first description in that dialog.
pub(super) fn answer_offer(
    (media, factory): (&mut Media, &MediaFactory),
    side: Side,
    (offer, next): (&Body, Option<(Edition, Direction)>),
    ours: &mut OurCrypto,
) -> Result<Reply, StatusCode> {
    let remote = negotiate::audio_at(offer).ok_or(StatusCode::NOT_ACCEPTABLE_HERE)?;
    let place = media.place(factory, side, remote).map_err(|error| {
        tracing::error!(%error, "no port for a call's audio");
        StatusCode::SERVICE_UNAVAILABLE
    })?;
    let local = place.local();
    let (edition, going) = next.unwrap_or((Edition::first(local), Direction::SendRecv));
    let (body, agreed) = negotiate::answer(offer, (local, edition, going), ours)
        .map_err(|refused| refused.status())?;
    let encrypted = agreed.srtp.is_some();
    media.agree(side, agreed, place);
    Ok(Reply { body, encrypted })
}

impl Exchange {
    /// The answer to an offer of ours says where the other end of a leg is; if it can't be heard at the port that was offered, it is
    /// told of another.
    pub(super) fn remote_answered(
        &mut self,
        sip: &mut SipDriver,
        leg: Leg,
        agreed: Agreed,
    ) -> Result<(), StatusCode> {
        let Some((id, side)) = leg.side() else {
            return Ok(());
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return Ok(());
        };
        let (session, Some(media)) = (call.session(side), &mut call.media) else {
            return Ok(());
        };
        let offered = media.offered_at(side);
        let port = media.answered(&self.media, side, agreed).map_err(|error| {
            log_none(id, &error);
            StatusCode::SERVICE_UNAVAILABLE
        })?;
        if port == Port::Moved {
            if let (Some(session), Some(offered)) = (session, offered) {
                call.hold.described_at(side, session, offered);
            }
            call.new_port = session.map(|session| NewPort {
                leg,
                session,
                told: false,
            });
            self.tell_new_port(sip, id);
        }
        Ok(())
    }

    /// Tells a remote of our new port, when it has not been told. While another change of its session is under way this one waits:
    /// [`Exchange::change_through`] makes it.
    pub(super) fn tell_new_port(&mut self, sip: &mut SipDriver, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let Some(NewPort { leg, session, .. }) = call.new_port.filter(|port| !port.told) else {
            return;
        };
        let Some((_, side)) = leg.side() else {
            return;
        };
        let direction = call.hold.passed_on[side as usize].told;
        let Some(offer) = self.own_description(id, side, direction) else {
            return;
        };
        let now = sip.now();
        if sip.endpoint().change(now, session, Some(offer)).is_ok()
            && let Some(call) = self.calls.get_mut(&id)
            && let Some(port) = &mut call.new_port
        {
            port.told = true;
        }
    }

    /// A change of that session has come to its end. True when it told of a new port, and was refused: then the leg is over.
    pub(super) fn new_port_refused(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        accepted: bool,
    ) -> bool {
        let leg = self.legs.get(&session).copied();
        let Some((id, side)) = leg.and_then(Leg::side) else {
            return false;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        let told = call
            .new_port
            .take_if(|port| port.told && port.session == session);
        if told.is_none() || accepted {
            return false;
        }
        tracing::warn!(
            call = id.0,
            "a side can't be heard: it refuses another port of ours"
        );
        if side == Side::Far {
            self.give_far_up(sip, id, None);
            return true;
        }
        self.legs.remove(&session);
        let now = sip.now();
        let _ = sip.endpoint().end(now, session, None);
        self.caller_over(id);
        self.input(Input::Vanished(id));
        true
    }
}

impl Leg {
    /// The call that it is of.
    pub(super) const fn call(self) -> Option<CallId> {
        match self.side() {
            Some((id, _)) => Some(id),
            None => None,
        }
    }

    /// The call and the side of it that a leg with audio through here is.
    pub(super) const fn side(self) -> Option<(CallId, Side)> {
        match self {
            Self::Caller(id) => Some((id, Side::Caller)),
            Self::Far(id) => Some((id, Side::Far)),
            Self::Phone(_) | Self::Transfer(_) | Self::Recording(_) | Self::Closing(_) => None,
        }
    }
}

impl Call {
    pub(super) fn session(&self, side: Side) -> Option<SessionId> {
        match side {
            Side::Caller => Some(self.caller),
            Side::Far => self.far.session(),
        }
    }
}
