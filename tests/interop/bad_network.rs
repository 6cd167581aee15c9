//! A network that loses and delays: a thousand calls through it all the same.
//!
//! The network is a forwarder between SIPp and the switch, with a seeded source of chance, so that it needs neither privileges nor a
//! kernel that has `tc netem`.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::{four_sipp::NOVEMBER_2026, scenario::Scenario, sipp::Sipp, switch::Switch};

/// One datagram in so many is lost, each way.
const LOST_ONE_IN: u32 = 50;
/// How late the rest are. None overtakes another: SIPp takes a 100 after the 200 for a fault.
const DELAY_MS: std::ops::Range<u64> = 15..25;
/// The longest SIP message by UDP.
const DATAGRAM_MAX: usize = 65_535;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_survive_loss_and_delay() {
    let switch = Switch::start(Scenario::today(), NOVEMBER_2026).await;
    let network = BadNetwork::before(switch.sip()).await;
    let sipp = Sipp::scenario(&switch, "asks_through_loss.xml").by_way_of(network.address);
    sipp.burst(1000, 100)
        .talking_ms(1000)
        .kommun("0488")
        .succeeds()
        .await;
    let totals = switch.totals_at_rest(1000).await;
    assert_eq!(totals["unaccounted"], 0);
    let (passed, lost) = network.counted();
    assert!(passed > 6000 && lost > 50, "{passed} passed, {lost} lost");
    switch.stop().await;
}

/// Says where a line is to be, as `LISTEN TO`, to this program started once more in another host.
pub(crate) const LINE: &str = "VAXEL_BAD_LINE";
/// What a line says when it is up, and when it has lost enough to be called bad.
pub(crate) const LINE_IS_UP: &str = "the line is up";
pub(crate) const LINE_IS_BAD: &str = "the line has lost datagrams";
/// So many.
const LOST_ENOUGH: u64 = 50;

/// The line of `two_hosts`, a process of its own; no test when nobody asks for it.
#[expect(clippy::print_stdout, reason = "the test that started it listens")]
#[tokio::test(flavor = "multi_thread")]
async fn the_line_between_two_hosts() {
    let Ok(ends) = std::env::var(LINE) else {
        return;
    };
    let (listen, to) = ends.split_once(' ').expect("two addresses");
    let to = to.parse().expect("an address");
    let network = BadNetwork::between(listen, to).await;
    println!("{LINE_IS_UP}");
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while network.counted().1 < LOST_ENOUGH {
        ticks.tick().await;
    }
    println!("{LINE_IS_BAD}");
    // Until it is killed.
    std::future::pending().await
}

/// Two sockets with a bad line between them.
struct BadNetwork {
    address: SocketAddr,
    passed: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
    line: JoinHandle<()>,
}

impl BadNetwork {
    async fn before(switch: SocketAddr) -> Self {
        Self::between("127.0.0.1:0", switch).await
    }

    async fn between(listen: &str, switch: SocketAddr) -> Self {
        let outer = UdpSocket::bind(listen).await.expect("a free port");
        let beside = SocketAddr::new(outer.local_addr().expect("it is bound").ip(), 0);
        let inner = UdpSocket::bind(beside).await.expect("a free port");
        inner.connect(switch).await.expect("loopback");
        let address = outer.local_addr().expect("it is bound");
        let (passed, lost) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let counts = (Arc::clone(&passed), Arc::clone(&lost));
        let line = tokio::spawn(carry(Arc::new(outer), Arc::new(inner), counts));
        Self {
            address,
            passed,
            lost,
            line,
        }
    }

    fn counted(&self) -> (u64, u64) {
        (
            self.passed.load(Ordering::Relaxed),
            self.lost.load(Ordering::Relaxed),
        )
    }
}

impl Drop for BadNetwork {
    fn drop(&mut self) {
        self.line.abort();
    }
}

/// A datagram on its way.
struct Late {
    due: Instant,
    socket: Arc<UdpSocket>,
    datagram: Vec<u8>,
    to: Option<SocketAddr>,
}

async fn carry(
    outer: Arc<UdpSocket>,
    inner: Arc<UdpSocket>,
    (passed, lost): (Arc<AtomicU64>, Arc<AtomicU64>),
) {
    let mut chance = StdRng::seed_from_u64(1177);
    let mut caller = None;
    let (sender, queue) = mpsc::unbounded_channel();
    tokio::spawn(deliver(queue));
    let (mut from_caller, mut from_switch) = (vec![0; DATAGRAM_MAX], vec![0; DATAGRAM_MAX]);
    loop {
        let (socket, datagram, to) = tokio::select! {
            got = outer.recv_from(&mut from_caller) => {
                let Ok((len, from)) = got else { continue };
                caller = Some(from);
                (Arc::clone(&inner), from_caller[..len].to_vec(), None)
            }
            got = inner.recv(&mut from_switch) => {
                let (Ok(len), Some(caller)) = (got, caller) else { continue };
                (Arc::clone(&outer), from_switch[..len].to_vec(), Some(caller))
            }
        };
        if chance.random_ratio(1, LOST_ONE_IN) {
            lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        passed.fetch_add(1, Ordering::Relaxed);
        let due = Instant::now() + Duration::from_millis(chance.random_range(DELAY_MS));
        let late = Late {
            due,
            socket,
            datagram,
            to,
        };
        if sender.send(late).is_err() {
            return;
        }
    }
}

async fn deliver(mut queue: mpsc::UnboundedReceiver<Late>) {
    while let Some(late) = queue.recv().await {
        sleep_until(late.due).await;
        // What the other side doesn't take is lost too.
        let _ = match late.to {
            Some(caller) => late.socket.send_to(&late.datagram, caller).await,
            None => late.socket.send(&late.datagram).await,
        };
    }
}
