//! Another phone takes the place of an agent's in a conversation: because that one asked for it, or by INVITE with Replaces
//! (RFC 3891).

use callcore::{
    scenario::AgentId,
    switch::{CallId, Input},
};
use transport::SipDriver;
use wire::{
    sdp::Direction,
    sip::{
        endpoint::{Flow, SessionId},
        message::{Request, StatusCode},
    },
};

use super::{
    Exchange,
    call::{Far, Leg},
    caller::refuse,
    ports,
};
use crate::{
    crypto::OurCrypto,
    media::{Reached, Side},
    negotiate,
};

impl Exchange {
    /// INVITE with Replaces: another phone takes the place of an agent's in a conversation.
    pub(super) fn replaces(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
        request: &Request,
        replaced: SessionId,
        flow: Flow,
    ) {
        let Some(trusted) = self.let_in(sip, session, request, flow) else {
            return;
        };
        let trusted = trusted.contains(flow.peer().ip());
        let id = match self.legs.get(&replaced) {
            Some(Leg::Far(id)) if trusted => *id,
            _ if trusted => return refuse(sip, session, StatusCode::DECLINE),
            _ => return refuse(sip, session, StatusCode::FORBIDDEN),
        };
        let own = request.contact_uri();
        let agent = own.and_then(|own| self.agent_at(id, &own));
        let scenario = self.scenario_of(id);
        let srtp = agent.map_or(scenario.listen.srtp, |agent| scenario.agent(agent).srtp);
        // Another phone: it must not know by which key we encrypted for the first.
        let ours = OurCrypto::offering(srtp);
        match self.answer_replacing(sip, id, session, (request, flow), (replaced, ours)) {
            Ok(()) => {
                self.take_over(sip, id, session, agent);
                let now = sip.now();
                let _ = sip.endpoint().end(now, replaced, None);
            }
            Err(status) => refuse(sip, session, status),
        }
    }

    fn answer_replacing(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        session: SessionId,
        (request, flow): (&Request, Flow),
        (replaced, mut ours): (SessionId, OurCrypto),
    ) -> Result<(), StatusCode> {
        let call = self.calls.get_mut(&id).ok_or(StatusCode::DECLINE)?;
        // One who has taken it back by now changes nothing: not where the audio goes.
        if !call.talks_to_agent(replaced) || !sip.endpoint().is_to_be_answered(session) {
            return Err(StatusCode::DECLINE);
        }
        let media = call.media.as_mut().ok_or(StatusCode::DECLINE)?;
        media.far_local().ok_or(StatusCode::DECLINE)?;
        let home = self.homes.ip(flow.local());
        let from = Some(flow.peer().ip());
        let before = media.reached(Side::Far, Reached { home, from });
        let body = match request.body() {
            Some(offer) => {
                let own = (&mut *media, &self.media);
                let reply = ports::answer_offer(own, Side::Far, (&offer, None), &mut ours);
                reply.map(|reply| reply.body)
            }
            None => {
                let local = media.open_far(&mut self.media, home, None);
                let local = local.inspect_err(|error| ports::log_none(id, error));
                let local = local.map_err(|_| StatusCode::SERVICE_UNAVAILABLE);
                local.map(|local| negotiate::offer(local, &ours))
            }
        };
        let body = body.inspect_err(|_| {
            // The phone that was to be replaced talks on, as it did.
            media.reached(Side::Far, before);
        })?;
        call.crypto.far = ours;
        let now = sip.now();
        sip.endpoint()
            .answer(now, session, Some(body))
            .map_err(|_| StatusCode::DECLINE)
    }

    /// Another phone is the far side from now on, and what is said is another recording.
    pub(super) fn take_over(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        session: SessionId,
        by: Option<AgentId>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Far::Agent(first, before) = call.far else {
            return;
        };
        // One transfer at a time: another that is under way comes to nothing.
        if let Some(other) = call.transfer.take() {
            self.legs.remove(&other.to);
            let now = sip.now();
            let _ = sip.endpoint().end(now, other.to, None);
        }
        call.far = Far::Agent(by.unwrap_or(first), session);
        // Who had the call may have left before.
        if let Some(media) = &mut call.media {
            media.join();
        }
        self.legs.remove(&before);
        self.legs.insert(session, Leg::Far(id));
        self.far_is_another(sip, id);
        tracing::info!(call = id.0, "another phone took over");
        self.record_another(sip, id, by);
        if let Some(agent) = by.filter(|agent| *agent != first) {
            self.input(Input::TakenBy(id, agent));
        }
    }

    /// While the caller holds nothing is said: the next recording begins when the conversation goes on, and one that is paused stays so.
    fn record_another(&mut self, sip: &mut SipDriver, id: CallId, by: Option<AgentId>) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.hold.is_held() {
            return self.tell_transfer(sip, id, by);
        }
        call.hold.paused = false;
        if !self.new_segment(id, Input::Transferred(id)) {
            self.turn_recording(sip, id, Direction::SendOnly);
            self.tell_transfer(sip, id, by);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, time::Duration};

    use wire::{
        rtp::Sender,
        sdp::Description,
        sip::{
            endpoint::{Ending, Event},
            message::Method,
        },
    };

    use crate::exchange::bench::{Bench, Peer};

    /// A phone asks for a nurse's place and takes it back in the same moment: she talks on.
    #[tokio::test]
    async fn who_takes_a_nurses_place_back_at_once_has_not_had_it() {
        let (caller, nurse, other) = (Peer::new().await, Peer::new().await, Peer::new().await);
        let audio = || UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = |socket: &UdpSocket| socket.local_addr().expect("bound").port();
        let (hears, speaks) = (audio(), audio());
        let entries = format!(
            r#"
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = ["sip:a@{}"], ring_s = 10 }}]
route = [{{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }}]
"#,
            nurse.at(),
        );
        let mut bench = Bench::new(&entries);
        let switch = bench.address();
        let talks = async {
            let offer = Peer::sdp(port(&hears));
            caller.asks(switch, ("INVITE", 1, ""), &offer).await;
            let asked = nurse.is_asked(Method::Invite).await;
            let ok = ("200 OK", "");
            let answer = Peer::sdp(port(&speaks));
            nurse.answers(switch, &asked, ok, &answer).await;
            nurse.is_asked(Method::Ack).await;
            asked
        };
        let asked = bench.until(talks).await;
        let session = bench.far();
        let of_nurse = bench.sip.endpoint().named(session).expect("it is up");
        // As the other side of it names it.
        let swapped = of_nurse
            .replace("to-tag", "x-tag")
            .replace("from-tag", "to-tag")
            .replace("x-tag", "from-tag");
        let replaces = format!("Replaces: {swapped}\r\n");
        let offer = Peer::sdp(9);
        other
            .asks_with(switch, ("INVITE", 1, ""), &replaces, &offer)
            .await;
        other.asks(switch, ("CANCEL", 1, ""), "").await;
        let mut came = Vec::new();
        let cancelled = |event: &Event| {
            let why = Ending::Cancelled;
            matches!(event, Event::Ended { why: it, .. } if *it == why)
        };
        while !came.last().is_some_and(cancelled) {
            came.push(bench.sip.event().await);
        }
        for event in came {
            bench.exchange.on_sip(&mut bench.sip, event);
        }
        let body = asked.body().expect("an offer");
        let said = Description::parse(&body.bytes).expect("a description");
        let mut voice = Sender::new(8, 1, 7, 7);
        let heard = async {
            hears.set_nonblocking(true).expect("a socket");
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            let mut buffer = [0; 2000];
            let mut said_times = 0;
            while hears.recv(&mut buffer).is_err() || buffer[12] != 77 {
                tick.tick().await;
                said_times += 1;
                assert!(said_times < 100, "she isn't heard any more");
                let mut datagram = Vec::new();
                voice.next(&[77; 160], 160, false, &mut datagram);
                let to = said.streams[0].address;
                speaks.send_to(&datagram, to).expect("sent");
            }
        };
        bench.until(heard).await;
    }
}
