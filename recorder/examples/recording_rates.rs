//! Measures recording: `cargo run --release -p recorder --example recording_rates -- CALLS SECONDS [own|shared] [srtp]`.
//!
//! The recorder is a process of its own, so that its CPU and memory are its own; this one sends CALLS calls of two streams of
//! G.711 in packets of 20 ms, by SIPREC and RTP on loopback, then looks for every packet in the store. Then it opens a
//! recording of one hour. Every stream has a port of its own and is sent packet by packet; or, with `shared`, the streams share
//! ports and are sent in runs every 10 ms, as our own switch does. With `srtp` all of it comes encrypted.
#![expect(
    clippy::print_stdout,
    reason = "an example that prints what it measured"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{CONTROLLER, Client, Recording, Runs, metadata, tag};
use recorder::{
    Options,
    index::{Filter, LIST_MAX},
    names::{RecordingId, StreamLabel},
    vault::{Packet, Vault},
};
use wire::{g711::Law, sip::endpoint::TransportKind};

/// Where the recorder's process keeps its things; unset in the one that a person starts.
const PLACE: &str = "VAXEL_RATES_PLACE";
const TICK: Duration = Duration::from_millis(20);
const HOUR_PACKETS: u32 = 50 * 60 * 60;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if let Some(place) = std::env::var_os(PLACE) {
        return record(Path::new(&place)).await;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map(|text| text.parse::<u64>());
    let calls = number(0).transpose()?.unwrap_or(500);
    let seconds = number(1).transpose()?.unwrap_or(20);
    let shared = arguments.get(2).is_some_and(|way| way == "shared");
    let place = tempfile::tempdir()?;
    let encrypted = arguments.get(3).is_some_and(|way| way == "srtp");
    at_once(place.path(), calls, seconds, (shared, encrypted)).await?;
    an_hour(place.path())
}

/// The recorder, until its standard input ends.
async fn record(place: &Path) -> Result<(), Box<dyn Error>> {
    let handle = common::start_at(place, Options::new([CONTROLLER.to_owned()])).await?;
    println!("listens on {}", handle.sip_addr());
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await?;
    handle.stop().await;
    Ok(())
}

async fn at_once(
    place: &Path,
    calls: u64,
    seconds: u64,
    (shared, encrypted): (bool, bool),
) -> Result<(), Box<dyn Error>> {
    let (mut recorder, to) = start(place)?;
    let begun = Instant::now();
    let mut clients = begin(to, u32::try_from(calls)?, (shared, encrypted)).await?;
    println!(
        "{calls} calls begun in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let before = used(&recorder)?;
    let begun = Instant::now();
    if shared {
        send_runs(&mut clients, seconds, Watch::new(&recorder)).await?;
    } else {
        send_packets(&mut clients, seconds, Watch::new(&recorder)).await?;
    }
    let sent = calls * 2 * seconds * 50;
    let took = begun.elapsed().as_secs_f64();
    let after = used(&recorder)?;
    for (mut client, recording) in clients {
        client.bye(recording).await;
    }
    drop(recorder.stdin.take());
    recorder.wait()?;
    let cpu = after.cpu_ms - before.cpu_ms;
    println!(
        "{sent} packets sent in {took:.1} s; recorder: {:.2} µs CPU a packet, {:.0} % of a core",
        cpu * 1e3 / sent as f64,
        cpu / took / 10.0
    );
    println!(
        "memory {} kB before, {} kB after",
        before.memory_kb, after.memory_kb
    );
    let place = recorder::place::Place::of(&common::settings(place))?;
    let store = recorder::store::open_existing_place(place)?;
    let rows = store.list(&Filter {
        limit: LIST_MAX,
        ..Filter::default()
    })?;
    let sum = |of: fn(&recorder::store::Row) -> u64| rows.iter().map(of).sum::<u64>();
    println!(
        "{} recordings, {} packets stored, {} lost, {} not closed",
        rows.len(),
        sum(|row| row.packets.unwrap_or(0)),
        sum(|row| row.packets_lost.unwrap_or(0)),
        sum(|row| u64::from(row.state != "closed"))
    );
    Ok(())
}

/// That many calls being recorded.
async fn begin(
    to: SocketAddr,
    calls: u32,
    (shared, encrypted): (bool, bool),
) -> Result<Vec<(Client, Recording)>, Box<dyn Error>> {
    let mut clients = Vec::new();
    for number in 0..calls {
        let mut client = if shared {
            Client::sharing(1 + 10 * number)
        } else {
            Client::new()
        };
        if encrypted {
            client = client.encrypting(1);
        }
        let made = client
            .record(to, TransportKind::Udp, &metadata(&tag()))
            .await;
        let recording = made.map_err(|status| format!("refused: {status:?}"))?;
        clients.push((client, recording));
    }
    Ok(clients)
}

/// Says every so often how much memory the recorder has: it must not grow with time.
struct Watch<'a> {
    recorder: &'a Child,
    begun: Instant,
    next: Duration,
}

impl<'a> Watch<'a> {
    const EVERY: Duration = Duration::from_secs(10);

    fn new(recorder: &'a Child) -> Self {
        Self {
            recorder,
            begun: Instant::now(),
            // What every stream holds, it holds after its first second.
            next: Duration::from_secs(2),
        }
    }

    fn look(&mut self) -> Result<(), Box<dyn Error>> {
        let now = self.begun.elapsed();
        if now >= self.next {
            let memory = used(self.recorder)?.memory_kb;
            println!("  after {:.0} s: memory {memory} kB", now.as_secs_f64());
            self.next = if self.next < Self::EVERY {
                Self::EVERY
            } else {
                self.next + Self::EVERY
            };
        }
        Ok(())
    }
}

/// A tick that comes late sends at once, as a network does after it stood still.
async fn send_packets(
    clients: &mut [(Client, Recording)],
    seconds: u64,
    mut watch: Watch<'_>,
) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    for number in 0..seconds * 50 {
        let due = begun + TICK * u32::try_from(number)?;
        tokio::time::sleep_until(due.into()).await;
        watch.look()?;
        for (client, recording) in &mut *clients {
            for stream in [0, 1] {
                client.send_codes(recording, stream, &[0x55; 160]);
            }
        }
    }
    Ok(())
}

/// Every 10 ms one half of the calls, all packets for one port together.
async fn send_runs(
    clients: &mut [(Client, Recording)],
    seconds: u64,
    mut watch: Watch<'_>,
) -> Result<(), Box<dyn Error>> {
    let (runs, begun) = (Runs::new(), Instant::now());
    let mut lanes: BTreeMap<SocketAddr, Vec<Vec<u8>>> = BTreeMap::new();
    for number in 0..seconds * 100 {
        let due = begun + TICK / 2 * u32::try_from(number)?;
        tokio::time::sleep_until(due.into()).await;
        watch.look()?;
        let half = clients.iter_mut().skip((number % 2) as usize).step_by(2);
        for (client, recording) in half {
            for stream in [0, 1] {
                let datagram = client.next_datagram(stream, &[0x55; 160]);
                let to = recording.answer.streams[stream].address;
                lanes.entry(to).or_default().push(datagram);
            }
        }
        for (to, datagrams) in &mut lanes {
            runs.send(*to, datagrams);
            datagrams.clear();
        }
    }
    Ok(())
}

fn start(place: &Path) -> Result<(Child, SocketAddr), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .env(PLACE, place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = BufReader::new(child.stdout.take().ok_or("no output")?);
    let said = out
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("listens on ")?.1.to_owned()));
    let address = said.ok_or("it doesn't listen")?.parse()?;
    Ok((child, address))
}

struct Used {
    cpu_ms: f64,
    memory_kb: u64,
}

/// Of a process, from Linux's /proc; its clock ticks a hundred times a second.
fn used(child: &Child) -> Result<Used, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let after_name = stat.rsplit_once(')').ok_or("no stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory_kb = memory
        .and_then(|text| text.split_whitespace().next())
        .ok_or("no VmRSS")?
        .parse()?;
    Ok(Used {
        cpu_ms: ticks * 10.0,
        memory_kb,
    })
}

fn an_hour(place: &Path) -> Result<(), Box<dyn Error>> {
    let vault = Vault::open(&place.join("hour/store"), &place.join("hour/keys"))?;
    let (id, tag) = (RecordingId::random()?, tag());
    let recording = vault.begin(id, &tag)?;
    let label = StreamLabel::parse("1")?;
    let mut writer = recording.stream_writer(&label, Law::A)?;
    let mut now = Instant::now();
    for number in 0..HOUR_PACKETS {
        now += TICK;
        writer.push(
            &Packet::audio(number * 160, Bytes::from_static(&[0x55; 160])),
            now,
        )?;
    }
    writer.finish()?;
    for (what, position) in [
        ("its beginning", 0),
        ("its middle", HOUR_PACKETS * 80),
        ("its end", HOUR_PACKETS * 160 - 8000),
    ] {
        let begun = Instant::now();
        let mut reader = vault.unlock(id, &tag)?.stream_reader(&label)?;
        reader.seek(position)?;
        let packet = reader.next_packet()?.ok_or("no packet")?;
        println!(
            "an hour opened at {what}: {:.1} ms (a packet at {} s)",
            begun.elapsed().as_secs_f64() * 1e3,
            packet.position / 8000
        );
    }
    Ok(())
}
