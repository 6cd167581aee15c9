//! A nurse's phone comes, stays, moves and goes; others can't take its place.

use wire::{
    auth::Algorithm,
    sip::{endpoint::ConnectionId, message::Message},
};

use super::*;

const SCENARIO: &str = r#"
[operator]
organisation = "inera"
[[organisation]]
id = "inera"
name = "Inera"
kind = "processor"
[[organisation]]
id = "region-01"
name = "Region Stockholm"
kind = "region"
[[queue]]
name = "region-01"
region = "01"
controller = "region-01"
agents = [{ register = "nurse-01" }, { register = "nurse-02" }]
[[route]]
name = "all"
all = true
unknown = true
invalid = true
conflict = true
queue = "region-01"
"#;

struct Phone {
    registrar: Registrar,
    moment: Instant,
    cseq: u32,
    kind: TransportKind,
    /// The ports of connections that are gone.
    gone: Vec<u16>,
    port: u16,
}

impl Phone {
    fn new() -> Self {
        let scenario = Scenario::from_toml(SCENARIO, "test.toml").expect("a scenario");
        let mut credentials = Credentials::default();
        for user in ["nurse-01", "nurse-02", "visitor"] {
            let ha1 = Algorithm::Sha256.ha1(user, "vaxel", user);
            credentials.add(user, "vaxel", Algorithm::Sha256, ha1);
        }
        Self {
            registrar: Registrar::new(&scenario, credentials, [1; 32]),
            moment: Instant::now(),
            cseq: 0,
            kind: TransportKind::Udp,
            gone: Vec::new(),
            port: 40_000,
        }
    }

    /// A REGISTER by `user` for `of`, challenged and proved.
    fn says(&mut self, user: &str, of: &str, extra: &str) -> Reply {
        let challenge = self.send(of, extra);
        assert_eq!(
            (challenge.status, challenge.doubt),
            (StatusCode::UNAUTHORIZED, Some(Doubt::Missing))
        );
        let mut own = Credentials::default();
        let ha1 = Algorithm::Sha256.ha1(user, "vaxel", user);
        own.add(user, "vaxel", Algorithm::Sha256, ha1);
        let asked = challenge.headers.get_all(&HeaderName::WwwAuthenticate);
        let chosen = own.choose(asked).expect("a challenge");
        let answer = own
            .answer(&chosen, "REGISTER", "sip:127.0.0.1", "c", 1)
            .expect("an answer");
        self.send(of, &format!("Authorization: {}\r\n{extra}", answer.value))
    }

    fn send(&mut self, of: &str, extra: &str) -> Reply {
        self.cseq += 1;
        let text = format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5066;branch=z9hG4bK{0};rport\r\nFrom: <sip:{of}@127.0.0.1>;tag=a\r\n\
             To: <sip:{of}@127.0.0.1>\r\nCall-ID: one\r\nCSeq: {0} REGISTER\r\n{extra}Content-Length: 0\r\n\r\n",
            self.cseq
        );
        let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else {
            panic!("a request was written")
        };
        let (local, kind) = (Local::FIRST, self.kind);
        let peer = SocketAddr::from(([192, 0, 2, 7], self.port));
        let flow = match kind {
            TransportKind::Udp => Flow::Udp { local, peer },
            _ => Flow::Stream {
                connection: ConnectionId(self.port.into()),
                local,
                peer,
                kind,
            },
        };
        let times = (Time(Duration::from_secs(1)), self.moment);
        let is_open = |way: &Way| !self.gone.contains(&way.peer.port());
        self.registrar.register(times, &request, flow, &is_open)
    }
}

#[test]
fn a_phone_registers_is_reached_by_its_way_and_expires() {
    let mut phone = Phone::new();
    let reply = phone.says(
        "nurse-01",
        "nurse-01",
        "Contact: <sip:nurse-01@10.0.0.9:5066>\r\nExpires: 120\r\n",
    );
    assert_eq!(
        (reply.status, reply.change),
        (StatusCode::OK, Some(Presence::Came(AgentId(0))))
    );
    let told = reply
        .headers
        .get(&HeaderName::Contact)
        .expect("its contact");
    assert!(told.contains("expires=120"), "{told}");
    let rings = phone.registrar.phones_of("nurse-01");
    // Behind NAT: where it came from, not what it says of itself.
    let peer = rings[0][0].way.peer;
    assert_eq!(peer, "192.0.2.7:40000".parse().expect("an address"));
    let again = phone.says(
        "nurse-01",
        "nurse-01",
        "Contact: <sip:nurse-01@10.0.0.9:5066>;expires=60\r\n",
    );
    assert_eq!((again.status, again.change), (StatusCode::OK, None));
    assert_eq!(
        phone.registrar.wake(),
        Some(phone.moment + Duration::from_secs(60))
    );
    assert_eq!(
        phone
            .registrar
            .expire(phone.moment + Duration::from_secs(59)),
        []
    );
    assert_eq!(
        phone
            .registrar
            .expire(phone.moment + Duration::from_secs(60)),
        [Presence::Went(AgentId(0))]
    );
    assert!(phone.registrar.phones_of("nurse-01").is_empty());
}

#[test]
fn a_phone_unregisters_one_contact_or_all() {
    let mut phone = Phone::new();
    phone.says(
        "nurse-02",
        "nurse-02",
        "Contact: <sip:a@10.0.0.9>, <sip:b@10.0.0.9>\r\n",
    );
    let one = phone.says(
        "nurse-02",
        "nurse-02",
        "Contact: <sip:a@10.0.0.9>;expires=0\r\n",
    );
    assert_eq!((one.status, one.change), (StatusCode::OK, None));
    let asked = phone.says("nurse-02", "nurse-02", "");
    assert_eq!(asked.headers.get_all(&HeaderName::Contact).count(), 1);
    let all = phone.says("nurse-02", "nurse-02", "Contact: *\r\nExpires: 0\r\n");
    assert_eq!(
        (all.status, all.change),
        (StatusCode::OK, Some(Presence::Went(AgentId(1))))
    );
    let wrong = phone.says("nurse-02", "nurse-02", "Contact: *\r\nExpires: 60\r\n");
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[test]
fn what_may_not_be_is_refused() {
    let mut phone = Phone::new();
    let contact = "Contact: <sip:x@10.0.0.9>\r\n";
    assert_eq!(
        phone.says("nurse-02", "nurse-01", contact).status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        phone.says("visitor", "visitor", contact).status,
        StatusCode::NOT_FOUND
    );
    let brief = phone.says(
        "nurse-01",
        "nurse-01",
        "Contact: <sip:x@10.0.0.9>;expires=5\r\n",
    );
    assert_eq!(brief.status, StatusCode::INTERVAL_TOO_BRIEF);
    assert_eq!(brief.headers.get(&HeaderName::MinExpires), Some("60"));
    let crowd: Vec<String> = (0..9)
        .map(|number| format!("<sip:{number}@10.0.0.9>"))
        .collect();
    let crowd = format!("Contact: {}\r\n", crowd.join(", "));
    assert_eq!(
        phone.says("nurse-01", "nurse-01", &crowd).status,
        StatusCode::FORBIDDEN
    );
    assert!(
        phone.registrar.phones_of("nurse-01").is_empty(),
        "whole or not at all"
    );
    let forged = phone.send("nurse-01", &format!("Authorization: Digest username=\"nurse-01\", realm=\"vaxel\", nonce=\"0\", uri=\"sip:127.0.0.1\", response=\"0\", qop=auth, nc=00000001, cnonce=\"c\"\r\n{contact}"));
    assert_eq!(
        (forged.status, forged.doubt),
        (StatusCode::UNAUTHORIZED, Some(Doubt::Wrong))
    );
}

/// The users' part of the Contacts that ring, group by group.
fn rings(phone: &Phone, user: &str) -> Vec<String> {
    let groups = phone.registrar.phones_of(user).into_iter();
    let name = |one: super::Phone| one.contact.user_decoded().map(|user| user.into_owned());
    let group = |group: Vec<super::Phone>| {
        let names: Option<Vec<String>> = group.into_iter().map(name).collect();
        names.expect("users").join("+")
    };
    groups.map(group).collect()
}

#[test]
fn phones_ring_by_preference_and_the_answer_names_them_all() {
    let mut phone = Phone::new();
    let desk = phone.says(
        "nurse-01",
        "nurse-01",
        "Contact: <sip:desk@10.0.0.9>;q=0.5, <sip:odd@10.0.0.9>;q=2\r\n",
    );
    assert_eq!(desk.status, StatusCode::OK);
    let more =
        "Contact: <sip:soft@10.0.0.9>;q=0.50, <sip:home@10.0.0.9>;q=0.1, <sip:best@10.0.0.9>\r\n";
    let told = phone.says("nurse-01", "nurse-01", more);
    let contacts: Vec<&str> = told.headers.get_all(&HeaderName::Contact).collect();
    assert_eq!(contacts.len(), 5);
    assert!(
        contacts
            .iter()
            .any(|one| one.contains("desk") && one.contains("q=0.5"))
    );
    // What isn't a q counts as none.
    assert_eq!(rings(&phone, "nurse-01"), ["odd+best", "desk+soft", "home"]);
    phone.says(
        "nurse-01",
        "nurse-01",
        "Contact: <sip:soft@10.0.0.9>;expires=0\r\n",
    );
    assert_eq!(rings(&phone, "nurse-01"), ["odd+best", "desk", "home"]);
}

#[test]
fn a_phone_that_numbers_its_flows_takes_its_own_place_again() {
    let mut phone = Phone::new();
    for (port, id) in [(5066, 1), (5067, 2), (5068, 1)] {
        let contact = format!(
            "Contact: <sip:n@10.0.0.9:{port}>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}\r\n"
        );
        assert_eq!(
            phone.says("nurse-01", "nurse-01", &contact).status,
            StatusCode::OK
        );
    }
    let ports: Vec<_> = phone.registrar.phones_of("nurse-01")[0]
        .iter()
        .map(|one| one.contact.address().map(|at| at.port()))
        .collect();
    assert_eq!(ports, [Some(5067), Some(5068)]);
}

/// A browser's page that is loaded anew comes by another connection and under another name, and its nurse is to be there again.
#[test]
fn a_phone_whose_connection_is_gone_stands_in_no_others_way() {
    let mut phone = Phone::new();
    phone.kind = TransportKind::Wss;
    let loads = |phone: &mut Phone, port: u16| {
        phone.port = port;
        let contact = format!("Contact: <sip:{port}@one.invalid;transport=ws>\r\n");
        phone.says("nurse-01", "nurse-01", &contact).status
    };
    for port in 1..=6 {
        assert_eq!(loads(&mut phone, port), StatusCode::OK);
    }
    assert_eq!(loads(&mut phone, 7), StatusCode::FORBIDDEN);
    phone.gone = vec![2, 5];
    assert_eq!(loads(&mut phone, 7), StatusCode::OK);
    let there = phone.registrar.contacts_of("nurse-01");
    let there: Vec<_> = there.filter_map(|it| it.user.as_deref()).collect();
    assert_eq!(there, ["1", "3", "4", "5", "6", "7"]);
}
