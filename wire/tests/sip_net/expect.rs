//! What a test expects of a node: its next event, and nothing left at the end.

use wire::sip::{
    endpoint::{Ending, Event, SessionId},
    message::{Body, Request, Response, StatusCode},
};

use super::Net;

impl Net {
    pub fn event(&mut self, node: usize) -> Option<Event> {
        self.nodes[node].events.pop_front()
    }

    /// The next event that is one of those; others before it are a failure.
    pub fn expect<T>(&mut self, node: usize, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        match self.event(node) {
            Some(event) => {
                pick(&event).unwrap_or_else(|| panic!("{what} expected, {event:?} came"))
            }
            None => panic!("{what} expected, nothing came; {:#?}", self.trace),
        }
    }

    pub fn incoming(&mut self, node: usize) -> (SessionId, Box<Request>) {
        self.expect(node, "Incoming", |event| match event {
            Event::Incoming {
                session, request, ..
            } => Some((*session, request.clone())),
            _ => None,
        })
    }

    pub fn answered(&mut self, node: usize) -> Box<Response> {
        self.expect(node, "Answered", |event| match event {
            Event::Answered { response, .. } => Some(response.clone()),
            _ => None,
        })
    }

    pub fn confirmed(&mut self, node: usize) -> Option<Body> {
        self.expect(node, "Confirmed", |event| match event {
            Event::Confirmed { body, .. } => Some(body.clone()),
            _ => None,
        })
    }

    pub fn rejected(&mut self, node: usize) -> (u16, bool) {
        self.expect(node, "Rejected", |event| match event {
            Event::Rejected {
                status, from_peer, ..
            } => Some((status.code(), *from_peer)),
            _ => None,
        })
    }

    pub fn ended(&mut self, node: usize) -> Ending {
        self.expect(node, "Ended", |event| match event {
            Event::Ended { why, .. } => Some(*why),
            _ => None,
        })
    }

    pub fn progressed(&mut self, node: usize) -> u16 {
        self.expect(node, "Progress", |event| match event {
            Event::Progress { status, .. } => Some(status.code()),
            _ => None,
        })
    }

    pub fn changed(&mut self, node: usize) -> Result<Option<Body>, u16> {
        self.expect(node, "Changed", |event| match event {
            Event::Changed { result, .. } => Some(result.clone().map_err(StatusCode::code)),
            _ => None,
        })
    }

    pub fn change_requested(&mut self, node: usize) -> Option<Body> {
        self.expect(node, "ChangeRequested", |event| match event {
            Event::ChangeRequested { body, .. } => Some(body.clone()),
            _ => None,
        })
    }

    pub fn change_confirmed(&mut self, node: usize) {
        self.expect(node, "ChangeConfirmed", |event| {
            matches!(event, Event::ChangeConfirmed { .. }).then_some(())
        })
    }

    pub fn change_overtaken(&mut self, node: usize) {
        self.expect(node, "ChangeOvertaken", |event| {
            matches!(event, Event::ChangeOvertaken { .. }).then_some(())
        })
    }

    /// Nothing is left anywhere: no session, no transaction, no timer, no event unread.
    pub fn assert_clean(&mut self) {
        self.secs(400);
        self.break_streams();
        self.secs(1);
        for node in 0..self.nodes.len() {
            let events = &self.nodes[node].events;
            assert!(
                events.is_empty(),
                "node {node} has unread events: {events:?}"
            );
            let Some(endpoint) = &self.nodes[node].endpoint else {
                continue;
            };
            assert_eq!(endpoint.sessions(), 0, "sessions of node {node}");
            assert_eq!(endpoint.transactions(), 0, "transactions of node {node}");
            assert_eq!(endpoint.wake(), None, "timers of node {node}");
            assert_eq!(
                endpoint.entries(),
                0,
                "entries of node {node}: {endpoint:?}"
            );
        }
    }
}
