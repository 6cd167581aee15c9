//! Session timers (RFC 4028): a session is refreshed by one of the two ends, or it ends.
//!
//! A peer that knows nothing of them is asked all the same, by UPDATE or re-INVITE, as often as if it did: one that has
//! vanished doesn't answer, and the session ends.

use std::time::Duration;

use super::{
    Endpoint,
    border::{Ending, Event, SessionId, Timer},
    client::{ClientKey, Failure, Purpose},
    config::SessionTimer,
    servers::Answer,
    session::{Change, Phase},
    timers::Owner,
};
use crate::{
    sip::message::{HeaderName, Headers, Method, Response, StatusCode},
    time::Time,
};

/// The option tag (RFC 4028 section 11).
pub(crate) const OPTION_TAG: &str = "timer";
/// The least that anybody may ask for, and what counts without a Min-SE (RFC 4028 section 5).
const MIN_SE: u32 = 90;
/// A refresh that could not be made or was put off is tried again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Who waits ends the session this long before it expires, or a third of its length (RFC 4028 section 10).
const END_BEFORE: Duration = Duration::from_secs(32);
/// Times that a call, or a refresh, asks for longer intervals before it fails.
pub(crate) const TRIES_MAX: u32 = 3;

/// How a session is kept alive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refresh {
    expires: u32,
    /// Whether it is ours to refresh.
    ours: bool,
    /// The peer takes UPDATE.
    takes_update: bool,
    /// The peer knows of this: at its side too the session expires.
    known: bool,
    /// `None`: not up yet.
    at: Option<Time>,
    /// When it has expired, unless it is refreshed; `None`: nobody agreed to that.
    until: Option<Time>,
    /// How often this refresh was asked for.
    tries: u32,
}

impl Refresh {
    /// What a request for a session (INVITE, UPDATE) asks for.
    fn asked(own: SessionTimer, headers: &Headers) -> Self {
        let known = supports(headers);
        let least = seconds(headers, &HeaderName::MinSe)
            .unwrap_or(MIN_SE)
            .max(MIN_SE);
        let most = whole_seconds(own.expires).max(least);
        let wanted = seconds(headers, &HeaderName::SessionExpires);
        Self {
            expires: wanted
                .filter(|_| known)
                .map_or(most, |wanted| wanted.clamp(least, most)),
            // Who has no wish refreshes itself, when it can.
            ours: !known || refreshes(headers, "uas"),
            takes_update: takes_update(headers),
            known,
            at: None,
            until: None,
            tries: 0,
        }
    }

    /// What a 2xx to ours agreed to. One without Session-Expires leaves it to us.
    fn agreed(own: SessionTimer, headers: &Headers) -> Self {
        let granted = seconds(headers, &HeaderName::SessionExpires);
        Self {
            expires: granted
                .unwrap_or_else(|| whole_seconds(own.expires))
                .max(MIN_SE),
            ours: granted.is_none() || !refreshes(headers, "uas"),
            takes_update: takes_update(headers),
            known: granted.is_some(),
            at: None,
            until: None,
            tries: 0,
        }
    }

    fn granted(&self, headers: &mut Headers) {
        let refresher = if self.ours { "uas" } else { "uac" };
        headers.push(
            HeaderName::SessionExpires,
            format!("{};refresher={refresher}", self.expires),
        );
        if !self.ours {
            headers.push(HeaderName::Require, OPTION_TAG);
        }
    }

    fn span(&self) -> Duration {
        let expires = Duration::from_secs(u64::from(self.expires));
        if self.ours {
            expires / 2
        } else {
            expires - END_BEFORE.min(expires / 3)
        }
    }

    /// Whether the peer agreed that the session ends by itself unless it is refreshed, and it hasn't yet.
    pub(crate) fn lasts(self, now: Time) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When the session is to be refreshed, or ends for want of it.
    pub(crate) const fn due(self) -> Option<Time> {
        self.at
    }
}

impl Endpoint {
    /// 422 for a request that wants to be refreshed too often (RFC 4028 section 9).
    pub(crate) fn too_brief(&self, headers: &Headers) -> Option<Answer> {
        let own = self.config.session_timer?;
        let wanted = seconds(headers, &HeaderName::SessionExpires)?;
        let least = whole_seconds(own.min).max(MIN_SE);
        (supports(headers) && wanted < least).then(|| {
            let mut answer = Answer::new(INTERVAL_TOO_SMALL);
            answer.headers.push(HeaderName::MinSe, least);
            answer
        })
    }

    /// What the caller asks for, to be granted with the 2xx.
    pub(crate) fn timer_asked(&self, headers: &Headers) -> Option<Refresh> {
        Some(Refresh::asked(self.config.session_timer?, headers))
    }

    /// Takes what a change asked for that is being accepted. Until then what was agreed before holds, also who refreshes.
    pub(crate) fn take_timer_asked(&mut self, id: SessionId, asked: Option<Refresh>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let (Some(asked), Some(timer)) = (asked, &mut session.timer) {
            let takes_update = asked.takes_update || timer.takes_update;
            *timer = Refresh {
                takes_update,
                at: timer.at,
                until: timer.until,
                ..asked
            };
        }
    }

    /// Puts what we ask for on a request for a session.
    pub(crate) fn ask_timer(&self, headers: &mut Headers, refresh: Option<Refresh>) {
        let Some(own) = self.config.session_timer else {
            return;
        };
        let (expires, role) = match refresh {
            None => (whole_seconds(own.expires), ""),
            Some(Refresh {
                expires,
                ours: true,
                ..
            }) => (expires, ";refresher=uac"),
            Some(Refresh { expires, .. }) => (expires, ";refresher=uas"),
        };
        headers.push(HeaderName::SessionExpires, format!("{expires}{role}"));
        headers.push(HeaderName::MinSe, whole_seconds(own.min).max(MIN_SE));
    }

    /// Puts what is granted on our 2xx, and counts from now. `asked`: the request's fields, when it is inside the session.
    pub(crate) fn grant_timer(
        &mut self,
        now: Time,
        id: SessionId,
        headers: &mut Headers,
        asked: Option<&Headers>,
    ) {
        let asked = asked.and_then(|asked| self.timer_asked(asked));
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(mut asked) = asked {
            asked.takes_update |= session.timer.is_some_and(|timer| timer.takes_update);
            asked.at = session.timer.and_then(Refresh::due);
            session.timer = Some(asked);
        }
        if let Some(timer) = session.timer {
            timer.granted(headers);
            self.count_from(now, id);
        }
    }

    /// Takes what a 2xx to our request agreed to, and counts from now.
    pub(crate) fn agree_timer(&mut self, now: Time, id: SessionId, headers: &Headers) {
        let Some(own) = self.config.session_timer else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let mut agreed = Refresh::agreed(own, headers);
        agreed.takes_update |= session.timer.is_some_and(|timer| timer.takes_update);
        agreed.at = session.timer.and_then(Refresh::due);
        session.timer = Some(agreed);
        self.count_from(now, id);
    }

    fn count_from(&mut self, now: Time, id: SessionId) {
        let session = self.sessions.get_mut(&id);
        if let Some(timer) = session.and_then(|session| session.timer.as_mut()) {
            let expires = Duration::from_secs(u64::from(timer.expires));
            timer.until = timer.known.then(|| now + expires);
            let at = now + timer.span();
            self.refresh_at(id, at);
        }
    }

    fn refresh_at(&mut self, id: SessionId, at: Time) {
        if let Some(timer) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.timer.as_mut())
        {
            if let Some(before) = timer.at.replace(at) {
                self.timers.stop(before, Timer::Refresh, Owner::Session(id));
            }
            self.timers.set(at, Timer::Refresh, Owner::Session(id));
        }
    }

    pub(crate) fn on_refresh_timer(&mut self, now: Time, id: SessionId, at: Time) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(timer) = session.timer.filter(|timer| timer.at == Some(at)) else {
            return;
        };
        let Phase::Up { change } = &session.phase else {
            return;
        };
        // Who refreshes and was refused all the while has a peer that has let it expire.
        let expired = timer.until.is_some_and(|until| until <= now);
        if !timer.ours || expired {
            self.counters.expired += 1;
            self.withdraw(now, id);
            return self.abandon(now, id, Ending::Lost);
        }
        let busy =
            !matches!(change, Change::None) || session.ok.is_some() || session.ack_due.is_some();
        if busy {
            return self.refresh_at(id, now + AGAIN_AFTER);
        }
        // A refresh that brings no answer must not be the last.
        self.refresh_at(id, now + timer.span());
        let session = self.sessions.get_mut(&id);
        if let Some(timer) = session.and_then(|session| session.timer.as_mut()) {
            timer.tries = 0;
        }
        if timer.takes_update {
            self.send_refresh(now, id);
        } else {
            self.tell(Event::RefreshDue { session: id });
        }
    }

    fn send_refresh(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (timer, contact) = (session.timer, session.contact.clone());
        let Some(dialog) = &mut session.dialog else {
            return;
        };
        let (mut request, hop) = (dialog.request(Method::Update), dialog.hop());
        self.introduce(&mut request.headers, &contact);
        self.ask_timer(&mut request.headers, timer);
        self.request(now, request, hop, Purpose::Refresh(id));
    }

    /// What became of a refresh; `None`: no response came, so the peer is gone.
    pub(crate) fn on_refreshed(&mut self, now: Time, id: SessionId, response: Option<&Response>) {
        let up = self
            .sessions
            .get(&id)
            .is_some_and(|session| matches!(session.phase, Phase::Up { .. }));
        if !up {
            return;
        }
        let status = response.map_or(StatusCode::REQUEST_TIMEOUT, |response| response.status);
        match (status, response) {
            (status, Some(response)) if status.is_success() => {
                if let Some(dialog) = self
                    .sessions
                    .get_mut(&id)
                    .and_then(|session| session.dialog.as_mut())
                {
                    dialog.refresh(&response.headers);
                }
                self.agree_timer(now, id, &response.headers);
            }
            (StatusCode::CALL_DOES_NOT_EXIST, _) => {
                self.counters.expired += 1;
                self.withdraw(now, id);
                self.finish(now, id, Ending::Lost);
            }
            (StatusCode::REQUEST_TIMEOUT, _) => {
                self.counters.expired += 1;
                self.withdraw(now, id);
                self.abandon(now, id, Ending::Lost);
            }
            (INTERVAL_TOO_SMALL, Some(response)) => self.ask_longer(now, id, &response.headers),
            (StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED, _) => {
                self.set_takes_update(id, false);
                self.tell(Event::RefreshDue { session: id });
            }
            // Glare, or not now.
            _ => self.refresh_at(id, now + AGAIN_AFTER),
        }
    }

    /// A refresh brought no answer. One that couldn't be sent just now says nothing of the peer: it is tried again until the session
    /// expires.
    pub(crate) fn refresh_failed(&mut self, now: Time, id: SessionId, failure: Failure) {
        let timer = self.sessions.get(&id).and_then(|session| session.timer);
        match failure {
            Failure::Transport if timer.is_some_and(|timer| timer.lasts(now)) => {
                self.refresh_at(id, now + AGAIN_AFTER);
            }
            _ => self.on_refreshed(now, id, None),
        }
    }

    fn ask_longer(&mut self, now: Time, id: SessionId, headers: &Headers) {
        let least = seconds(headers, &HeaderName::MinSe);
        let timer = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.timer.as_mut());
        let (Some(least), Some(timer)) = (least, timer) else {
            return;
        };
        timer.tries += 1;
        if least > timer.expires && timer.tries < TRIES_MAX {
            timer.expires = least;
            self.send_refresh(now, id);
        }
    }

    fn set_takes_update(&mut self, id: SessionId, takes: bool) {
        if let Some(timer) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.timer.as_mut())
        {
            timer.takes_update = takes;
        }
    }

    /// Calls again with the interval that a 422 wants (RFC 4028 section 7.3). False when it is no such thing, or was
    /// tried often enough.
    pub(crate) fn call_again_longer(
        &mut self,
        now: Time,
        key: ClientKey,
        response: &Response,
    ) -> bool {
        let least = seconds(&response.headers, &HeaderName::MinSe);
        let (INTERVAL_TOO_SMALL, Some(least), Some(own)) =
            (response.status, least, self.config.session_timer)
        else {
            return false;
        };
        let expires = whole_seconds(own.expires).max(least);
        self.call_again(now, key, TRIES_MAX, |headers| {
            headers.set(HeaderName::SessionExpires, expires);
            headers.set(HeaderName::MinSe, least);
        })
        .is_some()
    }
}

/// RFC 4028 section 6.
pub(crate) const INTERVAL_TOO_SMALL: StatusCode = StatusCode::SESSION_INTERVAL_TOO_SMALL;

fn supports(headers: &Headers) -> bool {
    headers.lists(&HeaderName::Supported, OPTION_TAG)
        || headers.lists(&HeaderName::Require, OPTION_TAG)
}

fn takes_update(headers: &Headers) -> bool {
    headers.lists(&HeaderName::Allow, Method::Update.as_str())
}

/// The number before any parameters.
fn seconds(headers: &Headers, name: &HeaderName) -> Option<u32> {
    headers.get(name)?.split(';').next()?.trim().parse().ok()
}

/// Whether it is for that side to refresh.
fn refreshes(headers: &Headers, side: &str) -> bool {
    let mut params = headers
        .get(&HeaderName::SessionExpires)
        .into_iter()
        .flat_map(|value| value.split(';').skip(1));
    params.any(|param| {
        param.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("refresher") && value.trim().eq_ignore_ascii_case(side)
        })
    })
}

fn whole_seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}
