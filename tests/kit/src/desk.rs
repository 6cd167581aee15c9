//! A telephone that registers, and of which a test says every word: what it gets, and what it answers, to the letter.

use std::{net::SocketAddr, path::Path};

use tokio::{net::UdpSocket, time::timeout};
use wire::{
    auth::{Algorithm, Credentials},
    sdp::Description,
    sip::message::{HeaderName, Message, Request, Response, StatusCode},
};

use crate::DEADLINE;

/// Whose phones these are.
pub const USER: &str = "nurse-01";
/// The scenario's realm when it names none.
const REALM: &str = "vaxel";
const PASSWORD: &str = "secret";
/// SHA-256 of the three, as a file of credentials has it.
const HASH: &str = "c9a256481daa14af830e2b779d575ae967fc3ed43b385e27bd908d464c8bef61";

/// A file of credentials in which the user is known.
pub fn credentials(folder: &Path) -> String {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let file = folder.join("phones.ha1");
    let mut options = std::fs::OpenOptions::new();
    let open = options.write(true).create(true).mode(0o600).open(&file);
    let mut written = open.expect("a file");
    writeln!(written, "{USER}:{REALM}:SHA-256:{HASH}").expect("written");
    file.to_str().expect("UTF-8").to_owned()
}

/// A telephone.
pub struct Desk {
    socket: UdpSocket,
    switch: SocketAddr,
    audio: SocketAddr,
    cseq: u32,
}

impl Desk {
    /// One that has registered, with these parameters of its Contact.
    pub async fn registers(switch: SocketAddr, params: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let audio = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let mut desk = Self {
            audio: audio.local_addr().expect("it is bound"),
            socket,
            switch,
            cseq: 0,
        };
        let told = desk.register(params).await;
        assert_eq!(told.status.code(), 200);
        desk
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    /// Its Contact.
    pub fn contact(&self) -> String {
        format!("sip:{USER}@{}", self.address())
    }

    /// Registers, proves who it is, and gives the answer.
    pub async fn register(&mut self, params: &str) -> Response {
        let challenge = self.ask_to_register(params, "").await;
        assert_eq!(challenge.status.code(), 401);
        let mut own = Credentials::default();
        let hash = Algorithm::Sha256.ha1(USER, REALM, PASSWORD);
        own.add(USER, REALM, Algorithm::Sha256, hash);
        let asked = challenge.headers.get_all(&HeaderName::WwwAuthenticate);
        let chosen = own.choose(asked).expect("a challenge");
        let uri = format!("sip:{}", self.switch);
        let answer = own.answer(&chosen, "REGISTER", &uri, "c", 1);
        let proof = format!("Authorization: {}\r\n", answer.expect("an answer").value);
        self.ask_to_register(params, &proof).await
    }

    async fn ask_to_register(&mut self, params: &str, proof: &str) -> Response {
        self.cseq += 1;
        let (at, cseq, contact) = (self.address(), self.cseq, self.contact());
        let text = format!(
            "REGISTER sip:{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{USER}@{switch}>;tag=r\r\nTo: <sip:{USER}@{switch}>\r\nCall-ID: r-{at}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <{contact}>{params}\r\nExpires: 600\r\n{proof}Content-Length: 0\r\n\r\n",
            switch = self.switch
        );
        self.send(text.as_bytes()).await;
        loop {
            if let Message::Response(response) = self.receives().await
                && response.cseq().is_ok_and(|own| own.number == cseq)
            {
                return response;
            }
        }
    }

    async fn send(&self, bytes: &[u8]) {
        let sent = self.socket.send_to(bytes, self.switch).await;
        sent.expect("sent");
    }

    async fn receives(&self) -> Message {
        let mut buffer = vec![0; 65_536];
        let came = timeout(DEADLINE, self.socket.recv_from(&mut buffer)).await;
        let (len, _) = came.expect("nothing came").expect("a datagram");
        Message::parse(&buffer[..len]).expect("a SIP message")
    }

    /// The next request by that method; others before it are of no interest.
    pub async fn is_asked(&self, method: &str) -> Request {
        loop {
            if let Message::Request(request) = self.receives().await
                && request.method.as_str() == method
            {
                return request;
            }
        }
    }

    /// Answers a request without a body.
    pub async fn says(&self, status: u16, to: &Request) {
        self.send(&self.response(status, to).to_bytes()).await;
    }

    /// Waits until it is hung up on, and agrees.
    pub async fn is_hung_up_on(&self) {
        let bye = self.is_asked("BYE").await;
        self.says(200, &bye).await;
    }

    /// Answers a call: it talks.
    pub async fn picks_up(&self, call: &Request) {
        let mut response = self.response(200, call);
        let description = Description::telephony(self.audio);
        response.set_body(Some(description.to_body()));
        self.send(&response.to_bytes()).await;
    }

    /// Gives up a call that the switch cancelled; the CANCEL.
    pub async fn gives_up(&self, call: &Request) -> Request {
        let cancel = self.is_asked("CANCEL").await;
        self.says(200, &cancel).await;
        self.says(487, call).await;
        self.is_asked("ACK").await;
        cancel
    }

    fn response(&self, status: u16, to: &Request) -> Response {
        let status = StatusCode::new(status).expect("a status");
        let mut response = Response::to(to, status, "as the test says");
        let mut tagged = to.to().expect("a To");
        if tagged.tag().is_none() {
            tagged.params.set("tag", Some("desk"));
        }
        response.headers.set(HeaderName::To, &tagged);
        let contact = format!("<{}>", self.contact());
        response.headers.set(HeaderName::Contact, contact.as_str());
        response
    }
}
