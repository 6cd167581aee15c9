//! Providers given by name: found by SRV and NAPTR, tried by priority, and the next when one isn't there (RFC 3263).

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use gateway::Gateway;
use tokio::{net::UdpSocket, task::JoinHandle};
use wire::sip::message::Method;

use crate::rig::{Raw, invite, providers, reply, soon};

const A: u16 = 1;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// Records by name and type: each with its time to live.
type Records = BTreeMap<(String, u16), Vec<(u32, Vec<u8>)>>;

/// The name server can't tell of such names now.
const BROKEN: &str = "broken.";

/// A name server of this test alone.
struct Dns {
    address: SocketAddr,
    records: Arc<Mutex<Records>>,
    task: JoinHandle<()>,
}

impl Dns {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let records: Arc<Mutex<Records>> = Arc::default();
        let known = Arc::clone(&records);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                let answer = answer(&buffer[..len], &known.lock().expect("not poisoned"));
                let _ = socket.send_to(&answer, from).await;
            }
        });
        Self {
            address,
            records,
            task,
        }
    }

    fn set(&self, name: &str, kind: u16, ttl: u32, records: Vec<Vec<u8>>) {
        let records = records.into_iter().map(|data| (ttl, data)).collect();
        let mut known = self.records.lock().expect("not poisoned");
        known.insert((name.to_owned(), kind), records);
    }

    /// It can't tell of these records now.
    fn breaks(&self, name: &str, kind: u16) {
        self.set(name, kind, 0, vec![BROKEN.into()]);
    }

    /// These ports of this machine, by priority, as a service.
    fn serve(&self, service: &str, ttl: u32, ports: &[(u16, u16)]) {
        let records = ports
            .iter()
            .map(|(priority, port)| {
                let mut data = Vec::new();
                for number in [*priority, 0, *port] {
                    data.extend(number.to_be_bytes());
                }
                data.extend(labels("host.provider.test"));
                data
            })
            .collect();
        self.set(service, SRV, ttl, records);
        self.set("host.provider.test", A, ttl, vec![vec![127, 0, 0, 1]]);
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("short"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// The answer to a query with one question; that there is nothing, when nothing is known.
fn answer(query: &[u8], records: &Records) -> Vec<u8> {
    let mut at = 12;
    let mut name = Vec::new();
    while query[at] != 0 {
        let len = usize::from(query[at]);
        name.push(String::from_utf8_lossy(&query[at + 1..=at + len]).to_lowercase());
        at += len + 1;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    let name = name.join(".");
    let found = records.get(&(name.clone(), kind));
    let found = found.map_or(&[][..], Vec::as_slice);
    let broken =
        name.starts_with(BROKEN) || found.iter().any(|(_, data)| data == BROKEN.as_bytes());
    let found = if broken { &[][..] } else { found };
    let mut out = query[..2].to_vec();
    let code = match found {
        _ if broken => 0x82,
        [] => 0x83,
        _ => 0x80,
    };
    out.extend([0x85, code, 0, 1, 0]);
    out.push(u8::try_from(found.len()).expect("few"));
    out.extend([0; 4]);
    out.extend(question);
    for (ttl, data) in found {
        out.extend([0xc0, 12]);
        out.extend(&question[question.len() - 4..]);
        out.extend(ttl.to_be_bytes());
        out.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
        out.extend(data);
    }
    out
}

/// A switch whose one provider is `sip:1177@provider.test`.
async fn switch_to(dns: &Dns, folder: &Path) -> Gateway {
    let entry = r#"{ name = "first", organisation = "medhelp", targets = ["sip:1177@provider.test"], ring_s = 20 }"#;
    let listen = format!("dns = \"{}\"", dns.address);
    providers(&[entry], &listen, folder).await
}

async fn host() -> Raw {
    Raw::at("127.0.0.1:0", ([127, 0, 0, 1], 9).into()).await
}

async fn call(gateway: &Gateway, name: &str) -> Raw {
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let text = invite(caller.local(), name, "X-Kommun-ID: 0488\r\n");
    caller.send(text.as_bytes()).await;
    caller
}

/// The next call, told 100.
async fn takes(host: &Raw) -> wire::sip::message::Request {
    loop {
        let request = host.request().await;
        if request.method == Method::Invite {
            return request;
        }
    }
}

#[tokio::test]
async fn a_host_that_says_nothing_is_left_for_the_next_by_priority() {
    let folder = tempfile::tempdir().expect("a folder");
    let dns = Dns::start().await;
    let (silent, mut there) = (host().await, host().await);
    let ports = [(20, there.local().port()), (10, silent.local().port())];
    dns.serve("_sip._udp.provider.test", 60, &ports);
    let gateway = switch_to(&dns, folder.path()).await;
    there.face(gateway.sip_addr());
    let _caller = call(&gateway, "silent").await;
    let first = takes(&silent).await;
    let second = takes(&there).await;
    assert_eq!(first.uri, second.uri, "the same target");
    there.send(reply(&second, 180, "").as_bytes()).await;
    // Known to be silent: the next call doesn't wait for it.
    let _caller = call(&gateway, "knows").await;
    let third = takes(&there).await;
    assert_ne!(third.call_id(), second.call_id());
    gateway.stop().await;
}

#[tokio::test]
async fn a_host_whose_address_is_not_told_takes_no_other_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dns, host) = (Dns::start().await, host().await);
    let port = host.local().port();
    let of = |priority: u16, target: &str| {
        let numbers = [priority, 0, port].map(u16::to_be_bytes).concat();
        [numbers, labels(target)].concat()
    };
    let records = vec![of(1, "broken.provider.test"), of(2, "host.provider.test")];
    dns.set("_sip._udp.provider.test", SRV, 600, records);
    dns.set("host.provider.test", A, 600, vec![vec![127, 0, 0, 1]]);
    let gateway = switch_to(&dns, folder.path()).await;
    let _caller = call(&gateway, "unbroken").await;
    takes(&host).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_host_that_says_503_is_left_at_once_and_one_that_is_busy_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let dns = Dns::start().await;
    let (mut full, mut there) = (host().await, host().await);
    let ports = [(1, full.local().port()), (2, there.local().port())];
    dns.serve("_sip._udp.provider.test", 60, &ports);
    let gateway = switch_to(&dns, folder.path()).await;
    full.face(gateway.sip_addr());
    there.face(gateway.sip_addr());
    let caller = call(&gateway, "full").await;
    let invite = takes(&full).await;
    full.send(reply(&invite, 503, "").as_bytes()).await;
    let invite = takes(&there).await;
    there.send(reply(&invite, 486, "").as_bytes()).await;
    // Busy is the provider's own word: the call ends, or goes to who is next in the scenario.
    let ended = soon(async {
        loop {
            let status = caller.response().await.status.code();
            if status >= 300 {
                return status;
            }
        }
    });
    let _status = ended.await;
    gateway.stop().await;
}

/// The provider's word holds for all its hosts, and none of them hears of the nurse who is called instead.
#[tokio::test]
async fn a_nurse_who_is_called_after_a_provider_is_not_called_at_the_providers_other_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let dns = Dns::start().await;
    let (mut busy, other, mut nurse) = (host().await, host().await, host().await);
    let ports = [(1, busy.local().port()), (2, other.local().port())];
    dns.serve("_sip._udp.provider.test", 60, &ports);
    let agents = format!("[\"sip:nurse@{}\"]", nurse.local());
    let more = r#"
provider = [{ name = "first", organisation = "medhelp", targets = ["sip:1177@provider.test"], ring_s = 20 }]
[[route]]
name = "out"
region = "04"
provider = "first"
handover = "direct"
failover = ["sormland"]
"#;
    let listen = format!("trusted = [\"127.0.0.0/8\"]\ndns = \"{}\"", dns.address);
    let text = crate::rig::scenario(&agents, &listen, more);
    let gateway = crate::rig::start(&text, folder.path())
        .await
        .expect("a switch");
    busy.face(gateway.sip_addr());
    nurse.face(gateway.sip_addr());
    let _caller = call(&gateway, "nurse").await;
    let invite = takes(&busy).await;
    busy.send(reply(&invite, 486, "").as_bytes()).await;
    let rung = tokio::select! {
        rung = takes(&nurse) => rung,
        astray = takes(&other) => panic!("{} at the provider's", astray.uri),
    };
    assert_eq!(rung.uri.user.as_deref(), Some("nurse"));
    gateway.stop().await;
}

#[tokio::test]
async fn naptr_says_by_what_service() {
    let folder = tempfile::tempdir().expect("a folder");
    let dns = Dns::start().await;
    let mut there = host().await;
    let naptr = |order: u8, service: &str, replacement: &str| {
        let mut data = vec![0, order, 0, 1, 1, b's'];
        data.push(u8::try_from(service.len()).expect("short"));
        data.extend(service.as_bytes());
        data.push(0);
        data.extend(labels(replacement));
        data
    };
    let records = vec![
        naptr(20, "SIP+D2U", "_sip._udp.wrong.test"),
        naptr(10, "SIP+D2U", "_sip._udp.elsewhere.test"),
        naptr(1, "E2U+email", "mail.test"),
    ];
    dns.set("provider.test", NAPTR, 60, records);
    dns.serve("_sip._udp.elsewhere.test", 60, &[(1, there.local().port())]);
    let gateway = switch_to(&dns, folder.path()).await;
    there.face(gateway.sip_addr());
    let _caller = call(&gateway, "naptr").await;
    takes(&there).await;
    gateway.stop().await;
}

/// There are name servers that answer for no NAPTR at all, with SERVFAIL or NOTIMP (RFC 3263 section 4.1: then SRV is asked for).
#[tokio::test]
async fn a_name_server_that_knows_no_naptr_stops_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let dns = Dns::start().await;
    let mut there = host().await;
    dns.breaks("provider.test", NAPTR);
    dns.serve("_sip._udp.provider.test", 60, &[(1, there.local().port())]);
    let gateway = switch_to(&dns, folder.path()).await;
    there.face(gateway.sip_addr());
    let _caller = call(&gateway, "no-naptr").await;
    takes(&there).await;
    gateway.stop().await;
}

/// OPTIONS goes to the hosts of a name in turn: one that is silent doesn't make the target one that is down, and what answers is
/// called first.
#[tokio::test]
async fn a_name_is_up_while_one_of_its_hosts_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let dns = Dns::start().await;
    let (silent, mut there) = (host().await, host().await);
    let ports = [(1, silent.local().port()), (2, there.local().port())];
    dns.serve("_sip._udp.provider.test", 60, &ports);
    let entry = r#"{ name = "first", organisation = "medhelp", targets = ["sip:1177@provider.test"],
        ping = { every_s = 1, down_after = 2, up_after = 1 } }"#;
    let listen = format!("dns = \"{}\"", dns.address);
    let gateway = providers(&[&entry.replace('\n', " ")], &listen, folder.path()).await;
    there.face(gateway.sip_addr());
    assert_eq!(silent.request().await.method, Method::Options);
    let asked = there.request().await;
    assert_eq!(asked.method, Method::Options);
    assert_eq!(asked.uri.to_string(), "sip:1177@provider.test");
    there.send(reply(&asked, 200, "").as_bytes()).await;
    let _caller = call(&gateway, "knows").await;
    takes(&there).await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_found_is_asked_again_when_its_time_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let dns = Dns::start().await;
    let (mut old, mut new) = (host().await, host().await);
    dns.serve("_sip._udp.provider.test", 1, &[(1, old.local().port())]);
    let gateway = switch_to(&dns, folder.path()).await;
    old.face(gateway.sip_addr());
    new.face(gateway.sip_addr());
    let _caller = call(&gateway, "before").await;
    takes(&old).await;
    dns.serve("_sip._udp.provider.test", 1, &[(1, new.local().port())]);
    soon(async {
        for number in 0.. {
            let _caller = call(&gateway, &format!("after-{number}")).await;
            tokio::select! {
                invite = takes(&old) => old.send(reply(&invite, 486, "").as_bytes()).await,
                _ = takes(&new) => return,
            }
        }
    })
    .await;
    gateway.stop().await;
}
