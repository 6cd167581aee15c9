//! A switch on loopback, and a bare socket that says whatever it likes.

use std::{
    future::Future, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, sync::Arc,
    time::Duration,
};

use callcore::scenario::Scenario;
use gateway::{Gateway, Options, StartError};
use tokio::net::UdpSocket;
use wire::sip::message::{Message, Request, Response};

/// A switch with one queue of these agents, listening so; files are in `folder`.
pub(crate) async fn switch(agents: &str, listen: &str, folder: &Path) -> Gateway {
    start(&scenario(agents, listen, ""), folder)
        .await
        .expect("a switch")
}

/// A switch that hands Sörmland's calls to these providers, each after the one before it failed.
pub(crate) async fn providers(entries: &[&str], listen: &str, folder: &Path) -> Gateway {
    let names: Vec<String> = ["\"first\"", "\"second\"", "\"third\""]
        .iter()
        .take(entries.len())
        .map(|name| (*name).to_owned())
        .collect();
    let more = format!(
        r#"
provider = [{}]
[[route]]
name = "out"
region = "04"
provider = {}
handover = "direct"
failover = [{}]
"#,
        entries.join(", "),
        names[0],
        names[1..].join(", ")
    );
    start(&scenario("[{ simulated = 1 }]", listen, &more), folder)
        .await
        .expect("a switch")
}

/// What such a switch is started with. `more` comes first, and its routes before the others.
pub(crate) fn scenario(agents: &str, listen: &str, more: &str) -> String {
    format!(
        r#"
operator = {{ organisation = "inera" }}
organisation = [
  {{ id = "inera", name = "Inera AB", kind = "processor" }},
  {{ id = "region-04", name = "Region Sörmland", kind = "region" }},
  {{ id = "medhelp", name = "MedHelp AB", kind = "care-provider" }},
]
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = {agents}, wrap_up_s = 1, ring_s = 10 }}]
{more}
[[route]]
name = "sormland"
region = "04"
queue = "sormland"
[[route]]
name = "rest"
all = true
unknown = true
invalid = true
conflict = true
queue = "sormland"
[listen]
sip = "127.0.0.1:0"
web = "127.0.0.1:0"
# Apart from other tests'.
rtp_ports = "36000-36999"
{listen}
"#
    )
}

/// Starts it.
pub(crate) async fn start(text: &str, folder: &Path) -> Result<Gateway, StartError> {
    let scenario = Scenario::from_toml(text, "borders.toml").expect("a valid scenario");
    let options = Options::for_file(&folder.join("borders.toml"));
    Gateway::start(Arc::new(scenario), options).await
}

/// A file for this user alone.
pub(crate) fn secret(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("ours");
}

/// Only a fault takes this long.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("within 20 seconds")
}

/// A UDP socket that speaks raw SIP to one switch.
pub(crate) struct Raw {
    socket: UdpSocket,
    to: SocketAddr,
    pings: u32,
}

impl Raw {
    pub(crate) async fn at(local: &str, to: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).await.expect("a port");
        Self {
            socket,
            to,
            pings: 0,
        }
    }

    /// Speaks to this switch from now on.
    pub(crate) const fn face(&mut self, to: SocketAddr) {
        self.to = to;
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    pub(crate) async fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.to).await.expect("sent");
    }

    /// The next datagram as it came.
    pub(crate) async fn bytes(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let read = soon(self.socket.recv_from(&mut buffer)).await;
        let (len, _) = read.expect("received");
        buffer.truncate(len);
        buffer
    }

    /// The next message that can be read.
    pub(crate) async fn receive(&self) -> Message {
        let mut buffer = vec![0; 65_536];
        loop {
            let (len, _) = soon(self.socket.recv_from(&mut buffer))
                .await
                .expect("received");
            if let Ok(message) = Message::parse(&buffer[..len]) {
                return message;
            }
        }
    }

    pub(crate) async fn response(&self) -> Response {
        loop {
            if let Message::Response(response) = self.receive().await {
                return response;
            }
        }
    }

    pub(crate) async fn request(&self) -> Request {
        loop {
            if let Message::Request(request) = self.receive().await {
                return request;
            }
        }
    }

    /// Everything the switch says at once to these bytes: what comes before it has answered OPTIONS twice. The first is
    /// answered when the bytes have been read, the second when what they led to has been done.
    pub(crate) async fn says(&mut self, bytes: &[u8]) -> Vec<u16> {
        self.send(bytes).await;
        let mut said = self.until_alive().await;
        said.extend(self.until_alive().await);
        said
    }

    /// What comes before the answer to an OPTIONS.
    async fn until_alive(&mut self) -> Vec<u16> {
        self.pings += 1;
        let port = self.local().port();
        let name = format!("ping-{}-{port}", self.pings);
        let options = format!(
            "OPTIONS sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{name};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:tester@127.0.0.1>;tag=t\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: {name}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        self.send(options.as_bytes()).await;
        let mut said = Vec::new();
        let mut buffer = vec![0; 65_536];
        loop {
            let read = soon(self.socket.recv_from(&mut buffer)).await;
            let (len, _) = read.expect("received");
            // An answer repeats of a message what can't be read in it, so it is read by its first line only.
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            let status = text.strip_prefix("SIP/2.0 ").and_then(|text| text.get(..3));
            let Some(code) = status.and_then(|code| code.parse().ok()) else {
                continue;
            };
            if text.contains(&name) {
                assert_eq!(code, 200, "the switch is alive");
                return said;
            }
            said.push(code);
        }
    }
}

/// What a counter with one label stands at.
pub(crate) fn counted(gateway: &Gateway, metric: &str, label: &str) -> u64 {
    let families = gateway.monitor().metrics.gather();
    let family = families.iter().find(|family| family.name() == metric);
    let found = family.and_then(|family| {
        let of = |metric: &&prometheus::proto::Metric| {
            metric.get_label().iter().any(|pair| pair.value() == label)
        };
        family.get_metric().iter().find(of)
    });
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count"
    )]
    found.map_or(0, |metric| metric.get_counter().get_value() as u64)
}

/// Waits until a counter has come so far.
pub(crate) async fn reaches(gateway: &Gateway, metric: &str, label: &str, least: u64) {
    soon(async {
        while counted(gateway, metric, label) < least {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// An INVITE without an offer.
pub(crate) fn invite(from: SocketAddr, call: &str, extra: &str) -> String {
    format!(
        "INVITE sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{call};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:+46701740605@127.0.0.1>;tag=t\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:caller@{from}>\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

/// A response to a request, with these further lines.
pub(crate) fn reply(request: &Request, status: u16, more: &str) -> String {
    let mut text = format!("SIP/2.0 {status} Test\r\n");
    for (name, value) in request.headers.iter() {
        match name.as_str() {
            "Via" | "From" | "Call-ID" | "CSeq" => text += &format!("{name}: {value}\r\n"),
            "To" if value.contains("tag=") => text += &format!("To: {value}\r\n"),
            "To" => text += &format!("To: {value};tag=provider\r\n"),
            _ => {}
        }
    }
    text + more + "Content-Length: 0\r\n\r\n"
}
