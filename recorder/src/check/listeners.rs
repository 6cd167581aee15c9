//! Every listener that a scenario names: from where it can be reached, and what it tells whoever asks.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::{Finding, Targets, bytes, error, tls};

/// Longest wait for an answer.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// What is read of an answer.
const ANSWER_MAX: u64 = 256 * 1024;
/// Where a stranger would look.
const PATHS: [&str; 7] = [
    "/",
    "/recordings",
    "/api/recordings",
    "/api/v1/recordings",
    "/api/access-log",
    "/api/reconciliation",
    "/metrics",
];

/// Tries each; gives how many answered.
pub(super) fn check(targets: &Targets, found: &mut Vec<Finding>) -> u64 {
    let mut answered = 0;
    for (name, address) in &targets.listeners {
        if !address.ip().is_loopback() && !speaks_tls(*address) {
            let message = format!(
                "{name} can be reached from outside this machine, and answers without TLS: listen on 127.0.0.1, or by TLS to those who show who they are"
            );
            found.push(error("S0301", address, message));
        }
        answered += u64::from(open(*address, name, found));
    }
    let known = |address: &SocketAddr| targets.listeners.iter().any(|(_, it)| it == address);
    for address in targets.others.iter().filter(|address| !known(address)) {
        let name = "a listener that the scenario doesn't name";
        answered += u64::from(open(*address, name, found));
    }
    answered
}

/// Whether whoever speaks plain HTTP there is told to speak TLS. What doesn't answer proves nothing.
fn speaks_tls(address: SocketAddr) -> bool {
    ask(address, "/", false).is_ok_and(|answer| tls::is_alert(&answer))
}

/// Asks without a login; whether anything answered.
fn open(address: SocketAddr, name: &str, found: &mut Vec<Finding>) -> bool {
    let mut answers = false;
    let by_tls = speaks_tls(address);
    for path in PATHS {
        let Ok(answer) = ask(address, path, by_tls) else {
            return answers;
        };
        answers = true;
        let told = told(path, &answer);
        if !told.is_empty() {
            let scheme = if by_tls { "https" } else { "http" };
            let place = format!("{scheme}://{address}{path}");
            let message = format!("{name} gives whoever asks {told}: ask who reads, by TLS");
            found.push(error("S0302", &place, message));
        }
    }
    answers
}

/// What an answer gives away; empty when that is nothing.
fn told(path: &str, answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let ok = text.starts_with("HTTP/1.1 200") || text.starts_with("HTTP/1.0 200");
    if !ok {
        return String::new();
    }
    let lower = text.to_ascii_lowercase();
    let sounds = [".wav", ".mp3", ".vax", "index of /"].iter().any(|sign| {
        lower.contains(&format!("href=\"{sign}")) || lower.contains(&format!("{sign}\""))
    }) || lower.contains("index of /");
    let mut told = Vec::new();
    if sounds {
        told.push("a list of its files");
    }
    if path != "/" && lower.contains("\"controller\"") {
        told.push("a list of recordings");
    }
    if lower.contains("\"purpose\":\"") && lower.contains("\"who\":\"") {
        told.push("who looked at what");
    }
    let leaks = bytes::look(answer, false);
    if leaks.iter().any(|(code, _)| *code == "S0203") {
        told.push("telephone numbers");
    }
    if leaks.iter().any(|(code, _)| *code == "S0201") {
        told.push("audio");
    }
    told.join(" and ")
}

fn ask(address: SocketAddr, path: &str, by_tls: bool) -> io::Result<Vec<u8>> {
    let to = if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    };
    let stream = TcpStream::connect_timeout(&to, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    if by_tls {
        said(tls::connect(stream)?, &to, path)
    } else {
        said(stream, &to, path)
    }
}

fn said(mut stream: impl Read + Write, to: &SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    // In one write: who answers the first piece and closes would look as if nobody were there.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // One that never ends, or says nothing to HTTP as SIP does: what came counts.
    let _ended = stream.take(ANSWER_MAX).read_to_end(&mut answer);
    Ok(answer)
}
