//! A switch that starts anew, or is started late: whoever calls in between is answered, and nobody is refused a connection.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod left;

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use testkit::{
    child::{Child, DEADLINE},
    http,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use transport::handed::Bequest;
use wire::sip::message::{Message, Response};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vaxel");
/// What the switch says once it takes calls.
const READY: &str = "calls: sip:1177@";
/// How often a datagram that nobody has answered is sent again, as RFC 3261 wants it.
const AGAIN: Duration = Duration::from_millis(500);

/// Sockets as systemd opens them, before there is any switch.
struct Opened {
    udp: std::net::UdpSocket,
    tcp: std::net::TcpListener,
    page: std::net::TcpListener,
    sip: SocketAddr,
    web: SocketAddr,
    /// What a program before it left.
    letters: Vec<Vec<u8>>,
}

impl Opened {
    fn new() -> Self {
        loop {
            let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let sip = tcp.local_addr().expect("an address");
            // The port that TCP got may be another's for UDP.
            let Ok(udp) = std::net::UdpSocket::bind(sip) else {
                continue;
            };
            let page = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let web = page.local_addr().expect("an address");
            return Self {
                udp,
                tcp,
                page,
                sip,
                web,
                letters: Vec::new(),
            };
        }
    }

    /// Starts a switch on them, and forgets them.
    fn start(self, folder: &Path) -> Child {
        let scenario = text(self.sip, self.web);
        self.start_with(folder, &scenario, &[])
    }

    /// The same with another scenario and more arguments.
    fn start_with(self, folder: &Path, text: &str, more: &[&str]) -> Child {
        self.start_by(Path::new(PROGRAM), folder, text, more)
    }

    /// The same by a copy of the program, or another.
    fn start_by(self, program: &Path, folder: &Path, text: &str, more: &[&str]) -> Child {
        let scenario = folder.join("restart.toml");
        std::fs::write(&scenario, text).expect("a file");
        let mut command = Command::new(program);
        command
            .arg("gateway")
            .arg("--config")
            .arg(&scenario)
            .args(["--drain-s", "40"])
            .args(more);
        let mut sockets = Bequest::default();
        sockets.keep(&self.udp).expect("room");
        sockets.keep(&self.tcp).expect("room");
        sockets.keep(&self.page).expect("room");
        for letter in self.letters {
            sockets.leave(&letter).expect("left");
        }
        let _open = sockets.hand_on(&mut command).expect("room in a row");
        Child::start("vaxel", &mut command)
    }
}

fn text(sip: SocketAddr, web: SocketAddr) -> String {
    format!(
        r#"
operator = {{ organisation = "inera" }}
organisation = [
  {{ id = "inera", name = "Inera AB", kind = "processor" }},
  {{ id = "region-04", name = "Region Sörmland", kind = "region" }},
]
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = [{{ simulated = 9 }}] }}]
route = [{{ name = "rest", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }}]
listen = {{ sip = "{sip}", web = "{web}" }}
"#
    )
}

/// A phone that sends what it is told.
struct Raw {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Raw {
    async fn new(to: SocketAddr) -> Self {
        let own = SocketAddr::new(to.ip(), 0);
        let socket = UdpSocket::bind(own).await.expect("a port");
        Self { socket, to }
    }

    fn request(&self, method: &str, call: &str, cseq: u32, to_tag: &str) -> String {
        let from = self.socket.local_addr().expect("an address");
        format!(
            "{method} sip:1177@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{call}{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:tester@127.0.0.1>;tag=t\r\nTo: <sip:1177@127.0.0.1>{to_tag}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:tester@{from}>\r\nContent-Length: 0\r\n\r\n",
            to = self.to
        )
    }

    async fn send(&self, text: &str) {
        let sent = self.socket.send_to(text.as_bytes(), self.to).await;
        sent.expect("sent");
    }

    /// The final response to this request, which is sent again until one comes.
    async fn final_to(&self, text: &str, call: &str) -> Response {
        let asked = async {
            let mut buffer = vec![0; 65_536];
            loop {
                let Ok(read) = timeout(AGAIN, self.socket.recv_from(&mut buffer)).await else {
                    self.send(text).await;
                    continue;
                };
                let (len, _) = read.expect("the system knows of nobody who refuses");
                if let Ok(Message::Response(response)) = Message::parse(&buffer[..len])
                    && response.call_id().is_ok_and(|own| own == call)
                    && response.status.is_final()
                {
                    return response;
                }
            }
        };
        timeout(DEADLINE, asked).await.expect("an answer")
    }

    /// Calls; the status, and the tag of whoever answered.
    async fn call(&self, call: &str) -> (u16, String) {
        let invite = self.request("INVITE", call, 1, "");
        self.send(&invite).await;
        let answer = self.final_to(&invite, call).await;
        let tag = answer.headers.to().expect("a To");
        let tag = format!(";tag={}", tag.tag().expect("a tag"));
        self.send(&self.request("ACK", call, 1, &tag)).await;
        (answer.status.code(), tag)
    }

    /// A call that the switch answers, over at once.
    async fn is_served(&self, call: &str) {
        let (status, tag) = self.call(call).await;
        assert_eq!(status, 200);
        self.hang_up(call, &tag).await;
    }

    async fn hang_up(&self, call: &str, tag: &str) {
        let bye = self.request("BYE", call, 2, tag);
        self.send(&bye).await;
        assert_eq!(self.final_to(&bye, call).await.status.code(), 200);
    }
}

/// Asked to end, the switch does.
async fn stops(mut switch: Child) {
    switch.interrupt();
    assert!(switch.ends().await.success());
}

/// OPTIONS over a connection of its own; its first line.
async fn asks_by_tcp(mut stream: TcpStream, number: usize) -> String {
    let text = format!(
        "OPTIONS sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h.invalid;branch=z9hG4bKo{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:t@h>;tag=t\r\nTo: <sip:1177@127.0.0.1>\r\nCall-ID: o{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    if stream.write_all(text.as_bytes()).await.is_err() {
        // The old one had it, and is gone.
        return String::new();
    }
    let mut answer = vec![0; 4096];
    let read = timeout(DEADLINE, stream.read(&mut answer)).await;
    match read.expect("in time") {
        Ok(len) => String::from_utf8_lossy(&answer[..len]).into_owned(),
        // The old one has read it, and is gone.
        Err(_) => String::new(),
    }
}

/// Sockets that systemd holds: who calls before the switch is there waits for it and is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_is_late_answers_who_called_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let (sip, web) = (opened.sip, opened.web);
    let early = Raw::new(sip).await;
    let invite = early.request("INVITE", "early", 1, "");
    early.send(&invite).await;
    let waiting = TcpStream::connect(sip).await.expect("the system takes it");
    let mut switch = opened.start(folder.path());
    let answer = early.final_to(&invite, "early").await;
    assert_eq!(answer.status.code(), 200);
    assert!(asks_by_tcp(waiting, 0).await.starts_with("SIP/2.0 200"));
    assert_eq!(http::get(web, "/readyz").await.0, 200);
    switch.interrupt();
    switch.says("no new calls").await;
    stops(switch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_starts_anew_leaves_nobody_without_an_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let (sip, web) = (opened.sip, opened.web);
    let mut switch = opened.start(folder.path());
    switch.says(READY).await;
    let phone = Raw::new(sip).await;
    let (status, tag) = phone.call("stands").await;
    assert_eq!(status, 200);

    switch.start_anew();
    switch.says("no new calls; 1 in progress").await;
    assert_eq!(http::get(web, "/readyz").await.0, 503);
    assert_eq!(phone.call("refused").await.0, 503, "it drains");
    phone.hang_up("stands", &tag).await;

    // From now on the old one stops and the new one comes. Nobody is refused a connection, and every call has an answer.
    let mut number = 0;
    let last = loop {
        number += 1;
        let stream = TcpStream::connect(sip).await.expect("never refused");
        let by_tcp = tokio::spawn(asks_by_tcp(stream, number));
        let (status, tag) = phone.call(&format!("between-{number}")).await;
        // By TCP it may be the old one that answers while the new one takes the call, or that closes what it had taken.
        let said = by_tcp.await.expect("no panic");
        let answers = ["SIP/2.0 200", "SIP/2.0 503"];
        let answered = answers.iter().any(|answer| said.starts_with(answer));
        assert!(answered || said.is_empty(), "{said}");
        if status == 200 {
            break tag;
        }
        assert_eq!(status, 503);
    };
    phone.hang_up(&format!("between-{number}"), &last).await;
    http::wait_for("the new one", async || {
        (switch.said().matches(READY).count() == 2).then_some(())
    })
    .await;
    assert_eq!(http::get(web, "/readyz").await.0, 200);
    let stream = TcpStream::connect(sip).await.expect("never refused");
    let said = asks_by_tcp(stream, number + 1).await;
    assert!(said.starts_with("SIP/2.0 200"), "{said}");
    stops(switch).await;
}

/// Whoever is asked for something before it listens for that does it when it does: no signal ends a switch that is to start.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_is_asked_for_more_while_it_starts_anew_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let sip = opened.sip;
    let mut switch = opened.start(folder.path());
    switch.says(READY).await;
    switch.start_anew();
    http::wait_for("the new one", async || {
        (0..20).for_each(|_| switch.reread());
        (switch.said().matches(READY).count() == 2).then_some(())
    })
    .await;
    let phone = Raw::new(sip).await;
    let (status, tag) = phone.call("there").await;
    assert_eq!(status, 200);
    phone.hang_up("there", &tag).await;
    stops(switch).await;
}

/// Who ends it while it waits to start anew means what is to come, too: it must not be there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_is_to_end_does_not_start_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let sip = opened.sip;
    let mut switch = opened.start(folder.path());
    switch.says(READY).await;
    let phone = Raw::new(sip).await;
    assert_eq!(phone.call("stands").await.0, 200);
    switch.start_anew();
    switch.says("no new calls; 1 in progress").await;
    switch.terminate();
    assert!(switch.ends().await.success());
    assert_eq!(switch.said().matches(READY).count(), 1);
}

/// A port of that address that is free for both protocols.
fn free_at(ip: &str) -> SocketAddr {
    loop {
        let tcp = std::net::TcpListener::bind(format!("{ip}:0")).expect("a port");
        let at = tcp.local_addr().expect("an address");
        if std::net::UdpSocket::bind(at).is_ok() {
            return at;
        }
    }
}

/// Each address is known again by the program that comes, those that were opened by the one before, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_with_two_addresses_starts_anew_at_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let (four, six, web) = (opened.sip, free_at("[::1]"), opened.web);
    let one = format!("sip = \"{four}\"");
    let both = format!("sip = [\"{four}\", \"{six}\"]");
    let scenario = text(four, web).replace(&one, &both);
    let mut switch = opened.start_with(folder.path(), &scenario, &[]);
    switch.says(READY).await;
    let phones = [Raw::new(four).await, Raw::new(six).await];
    let mut tags = Vec::new();
    for (phone, call) in phones.iter().zip(["four", "six"]) {
        let (status, tag) = phone.call(call).await;
        assert_eq!(status, 200, "{call}");
        tags.push((phone, call, tag));
    }
    switch.start_anew();
    switch.says("no new calls; 2 in progress").await;
    for (phone, call, tag) in tags {
        phone.hang_up(call, &tag).await;
    }
    for (phone, name) in phones.iter().zip(["four", "six"]) {
        let mut number = 0;
        loop {
            number += 1;
            TcpStream::connect(phone.to).await.expect("never refused");
            let call = format!("{name}-{number}");
            let (status, tag) = phone.call(&call).await;
            if status == 200 {
                phone.hang_up(&call, &tag).await;
                break;
            }
            assert_eq!(status, 503, "{call}");
        }
    }
    http::wait_for("the new one", async || {
        (switch.said().matches(READY).count() == 2).then_some(())
    })
    .await;
    stops(switch).await;
}

/// What would not start must not stop: a scenario that is broken meanwhile is told of, and the switch goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_scenario_keeps_the_old_switch() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let sip = opened.sip;
    let mut switch = opened.start(folder.path());
    switch.says(READY).await;
    std::fs::write(folder.path().join("restart.toml"), "operator = 7").expect("a file");
    switch.start_anew();
    switch.says("not started anew").await;
    let phone = Raw::new(sip).await;
    phone.is_served("still").await;
    stops(switch).await;
}

/// Nor one whose files are gone: what the next program would stumble over is looked for before the old one stops.
#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_whose_files_are_not_there_keeps_the_old_switch() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let (sip, web) = (opened.sip, opened.web);
    let mut switch = opened.start(folder.path());
    switch.says(READY).await;
    let file = folder.path().join("restart.toml");
    let whole = text(sip, web);
    let no_clip = "announcement = [{ name = \"gone\", file = \"gone.wav\" }]\n".to_owned() + &whole;
    let no_secrets = whole.replace("listen = { ", "listen = { own_credentials = \"gone.ha1\", ");
    for (times, broken) in (1..).zip([no_clip, no_secrets]) {
        std::fs::write(&file, broken).expect("a file");
        switch.start_anew();
        http::wait_for("what is missing", async || {
            let said = switch.said();
            (said.matches("not started anew").count() == times).then_some(())
        })
        .await;
    }
    let phone = Raw::new(sip).await;
    phone.is_served("still").await;
    assert_eq!(switch.said().matches(READY).count(), 1);
    stops(switch).await;
}

/// A new program that isn't there yet, or is none: half of an upgrade must not end the switch.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_started_gives_way_to_the_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let (sip, web) = (opened.sip, opened.web);
    let program = folder.path().join("vaxel");
    std::fs::copy(PROGRAM, &program).expect("a copy");
    let mut switch = opened.start_by(&program, folder.path(), &text(sip, web), &[]);
    switch.says(READY).await;
    std::fs::remove_file(&program).expect("removed");
    for times in [2, 3] {
        switch.start_anew();
        http::wait_for("the old one again", async || {
            (switch.said().matches(READY).count() == times).then_some(())
        })
        .await;
        // By now it is there, and is none.
        std::fs::write(&program, "half of it").expect("a file");
    }
    assert_eq!(switch.said().matches("the program that was").count(), 2);
    let phone = Raw::new(sip).await;
    phone.is_served("still").await;
    stops(switch).await;
}

/// Nor when it is broken while calls end: the switch takes calls again, and starts anew once it is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_that_is_broken_while_calls_end_keeps_the_old_switch() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let (sip, web) = (opened.sip, opened.web);
    let scenario = text(sip, web);
    let mut switch = opened.start(folder.path());
    switch.says(READY).await;
    let phone = Raw::new(sip).await;
    let (_, tag) = phone.call("stands").await;
    switch.start_anew();
    switch.says("no new calls; 1 in progress").await;
    let file = folder.path().join("restart.toml");
    std::fs::write(&file, "operator = 7").expect("a file");
    phone.hang_up("stands", &tag).await;
    switch.says("calls are taken again").await;
    http::wait_for("ready again", async || {
        (http::get(web, "/readyz").await.0 == 200).then_some(())
    })
    .await;
    phone.is_served("still").await;
    std::fs::write(&file, scenario).expect("a file");
    switch.start_anew();
    http::wait_for("the new one", async || {
        (switch.said().matches(READY).count() == 2).then_some(())
    })
    .await;
    stops(switch).await;
}
