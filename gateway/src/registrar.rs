//! Phones that register (RFC 3261 section 10.3): who they are, where they are, until when.
//!
//! A binding keeps the way its REGISTER came, so that a phone behind NAT, or a browser on its WebSocket, is called the
//! same way (RFC 5626 in spirit: the flow, not the Contact, says where a phone is). A user may have several phones at once:
//! all of them are called (see `exchange/phones.rs`).

mod path;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{estate::KeptPhone, homes::Homes};
use callcore::scenario::{AgentId, Contact as Reached, Scenario};
pub(crate) use path::Path;
use wire::{
    auth::{Authenticator, Credentials, Doubt},
    sip::{
        endpoint::{Flow, Local, TransportKind},
        header::{Contact, NameAddr},
        message::{HeaderName, Headers, Request, StatusCode},
        uri::Uri,
    },
    time::Time,
};

/// How long a registration lasts that doesn't say, and the longest there is (RFC 3261 section 10.2.1.1).
const EXPIRES_MAX_S: u32 = 3600;
/// The shortest: a phone that refreshes more often costs more than it is worth.
const EXPIRES_MIN_S: u32 = 60;
/// Contacts of one user: a desk phone, a soft phone, a browser, and each of them once more after a restart. So many phones ring
/// at once at most.
const CONTACTS_MAX: usize = 6;
/// The highest preference, and that of a phone that names none (RFC 3261 section 20.10), in thousandths.
const Q_MAX: u16 = 1000;

/// Every user that may register, and where each is.
#[derive(Debug)]
pub(crate) struct Registrar {
    users: BTreeMap<Box<str>, User>,
    credentials: Credentials,
    authenticator: Authenticator,
}

#[derive(Debug)]
struct User {
    agent: AgentId,
    /// The latest last.
    bindings: Vec<Binding>,
}

/// Where a user can be called.
#[derive(Debug, Clone)]
struct Binding {
    /// With what is told of it again: `q`, `+sip.instance`, `reg-id`.
    contact: NameAddr,
    call_id: Box<str>,
    cseq: u32,
    way: Way,
    until: Instant,
}

/// A phone that is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phone {
    pub(crate) contact: Uri,
    pub(crate) way: Way,
}

/// By what way a phone is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) peer: SocketAddr,
    pub(crate) kind: TransportKind,
    /// The address of ours at which it registered.
    pub(crate) local: Local,
    /// The proxies between, when it registered through some.
    pub(crate) path: Path,
}

/// What to answer a REGISTER, and what became of the agent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    pub(crate) change: Option<Presence>,
    /// Why it was refused, for the metric.
    pub(crate) doubt: Option<Doubt>,
}

/// An agent came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Came(AgentId),
    Went(AgentId),
}

impl Reply {
    fn of(status: StatusCode) -> Self {
        Self {
            status,
            headers: Headers::default(),
            change: None,
            doubt: None,
        }
    }
}

impl Registrar {
    /// A registrar for the agents of a scenario. `seal`: drawn by chance.
    pub(crate) fn new(scenario: &Scenario, credentials: Credentials, seal: [u8; 32]) -> Self {
        let users = (0..).map(AgentId).zip(&scenario.agents);
        let users = users.filter_map(|(id, agent)| match &agent.contact {
            Reached::Registers(user) => Some((
                user.clone(),
                User {
                    agent: id,
                    bindings: Vec::new(),
                },
            )),
            _ => None,
        });
        Self {
            users: users.collect(),
            authenticator: Authenticator::new(&scenario.listen.realm, seal),
            credentials,
        }
    }

    /// Whether callers from outside the trusted networks must prove who they are.
    pub(crate) fn asks_callers(&self) -> bool {
        !self.credentials.is_empty()
    }

    /// The user a request proves to be from; else the challenge to answer it with.
    pub(crate) fn proves(
        &mut self,
        now: Time,
        request: &Request,
    ) -> Result<Box<str>, (Doubt, Headers)> {
        self.authenticator
            .check(now, request, &self.credentials)
            .map_err(|doubt| {
                (
                    doubt,
                    self.authenticator.challenge(now, doubt, &self.credentials),
                )
            })
    }

    /// Takes a REGISTER. `now` counts as the endpoint does, `moment` as the machine; `is_open`: whether a connection is still there.
    pub(crate) fn register(
        &mut self,
        (now, moment): (Time, Instant),
        request: &Request,
        flow: Flow,
        is_open: &dyn Fn(&Way) -> bool,
    ) -> Reply {
        let user = match self.proves(now, request) {
            Ok(user) => user,
            Err((doubt, headers)) => {
                let mut reply = Reply::of(StatusCode::UNAUTHORIZED);
                (reply.headers, reply.doubt) = (headers, Some(doubt));
                return reply;
            }
        };
        // Who proved to be one user may not register another (RFC 3261 section 10.3, step 4).
        let names_itself = request
            .to()
            .is_ok_and(|to| to.uri.user_decoded().as_deref() == Some(&*user));
        if !names_itself {
            return Reply::of(StatusCode::FORBIDDEN);
        }
        let Some(known) = self.users.get_mut(&user) else {
            return Reply::of(StatusCode::NOT_FOUND);
        };
        known.register(moment, request, flow, is_open)
    }

    /// The phones of a user: those that are to ring at once together, the most wanted first (RFC 3261 section 16.6).
    pub(crate) fn phones_of(&self, user: &str) -> VecDeque<Vec<Phone>> {
        let bindings = self.users.get(user).map(|user| &*user.bindings);
        let mut by_q: BTreeMap<u16, Vec<Phone>> = BTreeMap::new();
        for binding in bindings.unwrap_or_default() {
            by_q.entry(binding.q()).or_default().push(Phone {
                contact: binding.contact.uri.clone(),
                way: binding.way.clone(),
            });
        }
        by_q.into_values().rev().collect()
    }

    /// The Contacts of a user.
    pub(crate) fn contacts_of(&self, user: &str) -> impl Iterator<Item = &Uri> {
        let bindings = self.users.get(user).map(|user| &*user.bindings);
        let bindings = bindings.unwrap_or_default().iter();
        bindings.map(|binding| &binding.contact.uri)
    }

    /// By what way a Contact of a user is reached. A phone may name itself by any address, that of another user's phone or of a
    /// provider too: it is found under its own user only.
    pub(crate) fn way_of(&self, user: &str, contact: &Uri) -> Option<&Way> {
        let bindings = &self.users.get(user)?.bindings;
        let is_it = |binding: &&Binding| binding.contact.uri == *contact;
        bindings.iter().find(is_it).map(|binding| &binding.way)
    }

    /// A phone's connection is gone: it can't be called there, and comes anew by another (RFC 5626 section 5.3). One that is reached
    /// by UDP may be there again in a moment.
    pub(crate) fn lost(&mut self, phone: &Phone) -> Option<Presence> {
        if phone.way.kind == TransportKind::Udp {
            return None;
        }
        let is_it = |one: &Binding| one.contact.uri == phone.contact && one.way == phone.way;
        let mut users = self.users.values_mut();
        let user = users.find(|user| user.bindings.iter().any(is_it))?;
        user.bindings.retain(|one| !is_it(one));
        user.bindings
            .is_empty()
            .then_some(Presence::Went(user.agent))
    }

    /// Phones that another program can go on with. The others' connections end with this one, and they register again.
    pub(crate) fn kept(&self, moment: Instant, homes: &Homes) -> Vec<KeptPhone> {
        let users = self.users.iter();
        let all =
            users.flat_map(|(user, known)| known.bindings.iter().map(move |one| (&**user, one)));
        let by_udp = all.filter(|(_, binding)| binding.way.kind == TransportKind::Udp);
        let kept = |(user, binding): (&str, &Binding)| KeptPhone {
            user: user.into(),
            contact: binding.contact.clone(),
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
            peer: binding.way.peer,
            at: homes
                .are_several()
                .then(|| homes.address(binding.way.local)),
            path: binding.way.path.clone(),
            left: binding.until.saturating_duration_since(moment),
        };
        by_udp.map(kept).collect()
    }

    /// Takes a phone that was registered with another program. `None`: its user is nobody here, or has enough phones.
    pub(crate) fn keep(
        &mut self,
        moment: Instant,
        phone: KeptPhone,
        local: Local,
    ) -> Option<Option<Presence>> {
        let user = self.users.get_mut(&phone.user)?;
        if user.bindings.len() >= CONTACTS_MAX || phone.left.is_zero() {
            return None;
        }
        let first = user.bindings.is_empty();
        let longest = Duration::from_secs(EXPIRES_MAX_S.into());
        user.bindings.push(Binding {
            contact: kept(phone.contact),
            call_id: phone.call_id,
            cseq: phone.cseq,
            way: Way {
                peer: phone.peer,
                kind: TransportKind::Udp,
                local,
                path: phone.path,
            },
            until: moment + phone.left.min(longest),
        });
        Some(first.then_some(Presence::Came(user.agent)))
    }

    /// When the next registration ends.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let bindings = self.users.values().flat_map(|user| &user.bindings);
        bindings.map(|binding| binding.until).min()
    }

    /// Forgets what has ended; gives the agents who went.
    pub(crate) fn expire(&mut self, moment: Instant) -> Vec<Presence> {
        let mut went = Vec::new();
        for user in self.users.values_mut() {
            let was_there = !user.bindings.is_empty();
            user.bindings.retain(|binding| binding.until > moment);
            if was_there && user.bindings.is_empty() {
                went.push(Presence::Went(user.agent));
            }
        }
        went
    }
}

impl User {
    fn register(
        &mut self,
        moment: Instant,
        request: &Request,
        flow: Flow,
        is_open: &dyn Fn(&Way) -> bool,
    ) -> Reply {
        let was_there = !self.bindings.is_empty();
        let mut fresh = self.bindings.clone();
        if let Err(reply) = renew(&mut fresh, moment, request, flow, is_open) {
            return *reply;
        }
        self.bindings = fresh;
        let mut reply = Reply::of(StatusCode::OK);
        for binding in &self.bindings {
            let left = binding.until.saturating_duration_since(moment).as_secs();
            let mut contact = binding.contact.clone();
            contact.params.set("expires", Some(&left.to_string()));
            reply.headers.push(HeaderName::Contact, &contact);
        }
        path::told(request, &mut reply.headers);
        reply.change = match (was_there, self.bindings.is_empty()) {
            (false, false) => Some(Presence::Came(self.agent)),
            (true, true) => Some(Presence::Went(self.agent)),
            _ => None,
        };
        reply
    }
}

impl Binding {
    /// How much this phone is wanted before others, in thousandths. What can't be read says nothing.
    fn q(&self) -> u16 {
        self.contact
            .params
            .value("q")
            .and_then(thousandths)
            .unwrap_or(Q_MAX)
    }

    /// Whether a Contact is of the same phone: by its address, or, where the phone numbers its flows, by its instance
    /// (RFC 5626 section 6), since one that was started anew has another address.
    fn is_of(&self, contact: &NameAddr) -> bool {
        let flow = |of: &NameAddr| {
            let value = |name| of.params.value(name).map(str::to_owned);
            value("+sip.instance").zip(value("reg-id"))
        };
        self.contact.uri == contact.uri
            || flow(contact).is_some_and(|own| flow(&self.contact) == Some(own))
    }
}

/// A `qvalue`: `0`, `0.5`, `1.000` (RFC 3261 section 25.1).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part = format!("{part:0<3}")
        .parse::<u16>()
        .ok()
        .filter(|_| digits)?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(Q_MAX),
        _ => None,
    }
}

/// What of a Contact is kept and told again.
fn kept(contact: NameAddr) -> NameAddr {
    let mut kept = NameAddr::new(contact.uri);
    for name in ["q", "+sip.instance", "reg-id"] {
        if let Some(value) = contact.params.value(name) {
            kept.params.set(name, Some(value));
        }
    }
    kept
}

/// Carries out a REGISTER on a copy: it holds whole or not at all (RFC 3261 section 10.3, step 7).
fn renew(
    bindings: &mut Vec<Binding>,
    moment: Instant,
    request: &Request,
    flow: Flow,
    is_open: &dyn Fn(&Way) -> bool,
) -> Result<(), Box<Reply>> {
    let refuse = |status| Box::new(Reply::of(status));
    let call_id = request
        .call_id()
        .map_err(|_| refuse(StatusCode::BAD_REQUEST))?;
    let cseq = request
        .cseq()
        .map_err(|_| refuse(StatusCode::BAD_REQUEST))?
        .number;
    let asked = request
        .headers
        .get(&HeaderName::Expires)
        .map(|text| text.trim().parse::<u32>().unwrap_or(EXPIRES_MAX_S));
    if request.headers.get(&HeaderName::Contact).is_none() {
        return Ok(());
    }
    let path = Path::of(request).ok_or_else(|| refuse(StatusCode::BAD_REQUEST))?;
    let in_order = |binding: &Binding| &*binding.call_id != call_id || cseq > binding.cseq;
    let addresses = match request.headers.contact() {
        Ok(Contact::Addresses(addresses)) => addresses,
        Ok(_) if asked == Some(0) && bindings.iter().all(in_order) => {
            bindings.clear();
            return Ok(());
        }
        _ => return Err(refuse(StatusCode::BAD_REQUEST)),
    };
    for contact in addresses {
        let own = contact
            .params
            .value("expires")
            .map(|text| text.parse().unwrap_or(EXPIRES_MAX_S));
        let expires = own.or(asked).unwrap_or(EXPIRES_MAX_S).min(EXPIRES_MAX_S);
        if (1..EXPIRES_MIN_S).contains(&expires) {
            let mut reply = refuse(StatusCode::INTERVAL_TOO_BRIEF);
            reply.headers.push(HeaderName::MinExpires, EXPIRES_MIN_S);
            return Err(reply);
        }
        let same = |binding: &Binding| binding.is_of(&contact);
        if bindings.iter().any(|known| same(known) && !in_order(known)) {
            return Err(refuse(StatusCode::SERVER_INTERNAL_ERROR));
        }
        bindings.retain(|binding| !same(binding));
        if expires > 0 {
            if bindings.len() >= CONTACTS_MAX && !make_room(bindings, is_open) {
                return Err(refuse(StatusCode::FORBIDDEN));
            }
            bindings.push(Binding {
                contact: kept(contact),
                call_id: call_id.into(),
                cseq,
                way: Way {
                    peer: flow.peer(),
                    kind: flow.kind(),
                    local: flow.local(),
                    path: path.clone(),
                },
                until: moment + Duration::from_secs(expires.into()),
            });
        }
    }
    Ok(())
}

/// Lets go of the oldest phone whose connection is gone. A browser whose page is loaded anew names itself by chance each time, and can't
/// take back what it was before.
fn make_room(bindings: &mut Vec<Binding>, is_open: &dyn Fn(&Way) -> bool) -> bool {
    let is_gone = |one: &Binding| one.way.kind != TransportKind::Udp && !is_open(&one.way);
    let gone = bindings.iter().position(is_gone);
    gone.map(|gone| bindings.remove(gone)).is_some()
}

#[cfg(test)]
mod tests;
