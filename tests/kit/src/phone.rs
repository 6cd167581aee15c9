//! A SIP phone on the loopback interface.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::time::{Instant, timeout_at};
use transport::{
    SipDriver,
    media::{RtpPorts, RtpSocket},
};
use wire::sip::{
    endpoint::{Config, Event, Invite, SessionId},
    message::{Headers, Request, StatusCode},
    uri::Uri,
};

use crate::{
    call::Call,
    plan::{AnswerPlan, CallPlan, CallResult, Ended, Then},
    voice::Voice,
};

/// A phone. One call at a time; a second caller hears that it is busy.
#[derive(Debug)]
pub struct Phone {
    pub(crate) driver: SipDriver,
    ports: RtpPorts,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Below Linux's own range for outgoing connections, above the gateway's for audio.
const AUDIO_PORTS_FIRST: u16 = 20_000;
const AUDIO_PORTS_LAST: u16 = 32_767;

impl Phone {
    /// A phone on a port of 127.0.0.1 that the system picks, for UDP and TCP.
    pub fn bind() -> Result<Self, transport::BindError> {
        Self::bind_to(SocketAddr::new(LOOPBACK, 0))
    }

    /// A phone at that address.
    pub fn bind_to(address: SocketAddr) -> Result<Self, transport::BindError> {
        let config = Config {
            contact_user: "phone".into(),
            ..Config::default_for(address, [0; 32])
        };
        let driver = SipDriver::bind(address, config)?;
        // Phones of tests that run at once begin at different ports.
        let first = AUDIO_PORTS_FIRST + driver.local_addr().port() % 4000 * 2;
        Ok(Self {
            driver,
            ports: RtpPorts::new(address.ip(), first..=AUDIO_PORTS_LAST),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    /// `sip:user@address`, to call it.
    pub fn uri(&self, user: &str) -> Uri {
        Uri::sip(Some(user), self.address())
    }

    /// Calls, with these further header fields, and follows the plan to the call's end.
    pub async fn call(&mut self, target: Uri, headers: Headers, plan: CallPlan) -> CallResult {
        let deadline = Instant::now() + plan.deadline;
        let voice = Voice::new(self.audio(), plan.sound, &plan.keys)
            .encrypted_by(plan.srtp)
            .with_noise(plan.noise)
            .telling(plan.tells);
        let offer = crate::call::offer(&voice, 1);
        let invite = Invite {
            next_hop: plan.next_hop,
            transport: Some(plan.transport),
            from: plan.from,
            headers,
            body: Some(offer.to_body()),
            ..Invite::anonymous(target)
        };
        let now = self.driver.now();
        match self.driver.endpoint().invite(now, invite) {
            Ok(session) => {
                Call::new(self, session, voice, plan.until, deadline)
                    .calling(offer)
                    .run()
                    .await
            }
            Err(error) => panic!("the call can't be made: {error}"),
        }
    }

    /// Waits for a call and follows the plan to its end.
    pub async fn answer(&mut self, plan: AnswerPlan) -> CallResult {
        let deadline = Instant::now() + plan.deadline;
        let Ok((session, request)) = timeout_at(deadline, self.incoming()).await else {
            return CallResult::new(Ended::Deadline);
        };
        let now = self.driver.now();
        let answers = matches!(plan.then, Then::Answer);
        let refused = match plan.then {
            Then::Reject(status) => Some((
                status,
                self.driver
                    .endpoint()
                    .reject(now, session, status, &Headers::new()),
            )),
            Then::Redirect(contacts) => Some((
                StatusCode::MOVED_TEMPORARILY,
                self.driver.endpoint().redirect(now, session, contacts),
            )),
            Then::Answer | Then::RingOn => None,
        };
        if let Some((status, result)) = refused {
            self.driver.flush();
            let ended = if result.is_ok() {
                Ended::Us
            } else {
                Ended::Peer
            };
            return CallResult {
                status: Some(status),
                request: Some(request),
                ..CallResult::new(ended)
            };
        }
        let voice = Voice::new(self.audio(), plan.sound, "");
        let call = Call::new(self, session, voice, plan.until, deadline);
        call.called(request, plan.ring, answers).run().await
    }

    /// The next call that comes; what else happens belongs to calls that are over.
    async fn incoming(&mut self) -> (SessionId, Box<Request>) {
        loop {
            if let Event::Incoming {
                session, request, ..
            } = self.driver.event().await
            {
                return (session, request);
            }
        }
    }

    fn audio(&self) -> RtpSocket {
        match self.ports.open() {
            Ok(socket) => socket,
            Err(error) => panic!("the phone has no port for audio: {error}"),
        }
    }
}
