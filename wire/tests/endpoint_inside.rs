//! Inside a session: requests of each kind, what is out of order, a call that branches off.

mod sip_net;

use sip_net::{
    Net, RawSession, raw, raw_caller, raw_session, reply, request, response, sdp, status, tag_of,
};
use wire::sip::{
    endpoint::{Ending, Event, SessionError},
    message::{Method, StatusCode},
};

/// Early media from one place, the answer from another: to the caller two branches, each with a description of its own.
#[test]
fn a_call_that_branches_off_leaves_its_early_dialog() {
    let mut net = Net::new(1);
    let (peer, session) = raw_caller(&mut net, "");
    net.at(0, |ep, now| {
        ep.progress(now, session, StatusCode::SESSION_PROGRESS, sdp("early"))
            .expect("early media");
    });
    let early = tag_of(&response(&mut net, peer));
    net.at(0, |ep, now| {
        ep.branch_off(session).expect("not answered yet");
        ep.answer(now, session, sdp("answer")).expect("answered");
        assert_eq!(ep.branch_off(session), Err(SessionError::WrongState));
    });
    let answered = tag_of(&response(&mut net, peer));
    assert_ne!(early, answered);

    let ack = raw(&Method::Ack, peer, "z9hG4bK2", ("t", &answered), 10, "");
    net.send_raw(peer, 0, &ack);
    net.millis(50);
    assert_eq!(net.confirmed(0), None);
    let stale = raw(&Method::Info, peer, "z9hG4bK3", ("t", &early), 11, "");
    net.send_raw(peer, 0, &stale);
    assert_eq!(status(&mut net, peer), 481);
    net.at(0, |ep, now| ep.end(now, session, None).expect("ended"));
    net.millis(50);
    let bye = request(&mut net, peer);
    assert_eq!(bye.from().expect("a From").tag(), Some(&*answered));
    net.send_raw(peer, 0, &reply(&bye, 200, "t", ""));
    net.secs(40);
    assert_eq!(net.ended(0), Ending::Ours);
    net.assert_clean();
}

#[test]
fn requests_inside_are_answered_by_their_kind_and_order() {
    let mut net = Net::new(1);
    let RawSession { peer, tag, .. } = raw_session(&mut net, "");
    let tags = ("t", tag.as_str());
    let info = raw(&Method::Info, peer, "z9hG4bK3", tags, 11, "");
    net.send_raw(peer, 0, &info);
    assert_eq!(status(&mut net, peer), 200);
    net.expect(0, "InSession", |event| {
        matches!(event, Event::InSession { .. }).then_some(())
    });
    net.send_raw(peer, 0, &info);
    assert_eq!(status(&mut net, peer), 200);
    assert!(net.event(0).is_none(), "the same INFO again is no news");

    net.send_raw(peer, 0, &raw(&Method::Info, peer, "z9hG4bK4", tags, 9, ""));
    assert_eq!(status(&mut net, peer), 500, "lower CSeq");
    net.send_raw(
        peer,
        0,
        &raw(&Method::Options, peer, "z9hG4bK5", tags, 12, ""),
    );
    assert_eq!(status(&mut net, peer), 200);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Subscribe, peer, "z9hG4bK6", tags, 13, ""),
    );
    assert_eq!(status(&mut net, peer), 405);
    net.send_raw(
        peer,
        0,
        &raw(&Method::Update, peer, "z9hG4bK7", tags, 14, ""),
    );
    assert_eq!(
        status(&mut net, peer),
        200,
        "UPDATE without offer only refreshes"
    );
    net.send_raw(
        peer,
        0,
        &raw(&Method::Bye, peer, "z9hG4bK8", ("other", &tag), 15, ""),
    );
    assert_eq!(
        status(&mut net, peer),
        481,
        "another From tag is another dialog"
    );
    net.send_raw(peer, 0, &raw(&Method::Bye, peer, "z9hG4bK9", tags, 16, ""));
    assert_eq!(status(&mut net, peer), 200);
    assert_eq!(net.ended(0), Ending::Bye);
    net.send_raw(peer, 0, &raw(&Method::Bye, peer, "z9hG4bK10", tags, 17, ""));
    assert_eq!(status(&mut net, peer), 481);
    net.assert_clean();
}

/// An ACK of another CSeq acknowledges nothing.
#[test]
fn only_the_ack_of_its_invite_stops_a_200() {
    let mut net = Net::new(1);
    let (peer, session) = raw_caller(&mut net, "");
    net.at(0, |ep, now| {
        ep.answer(now, session, sdp("answer")).expect("answered")
    });
    let tag = tag_of(&response(&mut net, peer));
    net.send_raw(
        peer,
        0,
        &raw(&Method::Ack, peer, "z9hG4bK2", ("t", &tag), 9, ""),
    );
    net.secs(40);
    assert_eq!(net.ended(0), Ending::NoAck);
    net.assert_clean();
}

#[test]
fn whoever_still_has_the_session_says_so_and_another_loses_it() {
    // By status, and by silence.
    for (status, lost) in [
        (200, false),
        (405, false),
        (481, true),
        (408, true),
        (0, true),
    ] {
        let mut net = Net::new(1);
        let RawSession { peer, session, .. } = raw_session(&mut net, "");
        net.at(0, |ep, now| ep.ask(now, session).expect("up"));
        net.millis(50);
        let question = request(&mut net, peer);
        assert_eq!(question.method, Method::Options);
        if status != 0 {
            net.send_raw(peer, 0, &reply(&question, status, "t", ""));
        }
        net.secs(40);
        if lost {
            assert_eq!(net.ended(0), Ending::Lost, "{status}");
        } else {
            net.at(0, |ep, now| ep.ask(now, session).expect("still up"));
        }
    }
}

/// What a peer asked in a session that it knows no more is answered too: nothing of it stays.
#[test]
fn a_lost_session_leaves_no_request_unanswered() {
    let mut net = Net::featured(1);
    let RawSession {
        peer, session, tag, ..
    } = raw_session(&mut net, "");
    let more = "Refer-To: <sip:b@example.invalid>\r\n";
    let refer = raw(&Method::Refer, peer, "z9hG4bKr", ("t", &tag), 11, more);
    net.send_raw(peer, 0, &refer);
    net.millis(50);
    net.expect(0, "Referred", |event| {
        matches!(event, Event::Referred { .. }).then_some(())
    });
    net.at(0, |ep, now| ep.ask(now, session).expect("it is up"));
    net.millis(50);
    let asked = request(&mut net, peer);
    net.send_raw(peer, 0, &reply(&asked, 481, "", ""));
    net.millis(50);
    assert_eq!(net.ended(0), Ending::Lost);
    assert_eq!(status(&mut net, peer), 487, "the REFER's answer");
    net.assert_clean();
}
