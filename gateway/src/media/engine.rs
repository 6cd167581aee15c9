//! The threads that carry audio, and the ways to them.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use callcore::switch::CallId;
use prometheus::IntCounter;
use rustix::event::{EventfdFlags, eventfd};
use transport::{media::RtpPorts, shared::SharedSocket};

use super::{
    Command, Dropped, call::Report, lane::Lanes, leg::LegSocket, reports::Counters,
    running::Running,
};

/// One thread carries some 200 000 packets a second; more threads than this only share the cores with signalling.
const THREADS_MAX: usize = 4;

/// The threads.
#[derive(Debug)]
pub(crate) struct Engine {
    threads: Vec<Arc<Thread>>,
}

/// A call's way to its thread. Dropping it ends the call's audio.
#[derive(Debug)]
pub(super) struct Line {
    call: CallId,
    thread: Arc<Thread>,
}

/// The handle on a thread; it ends with the last of these.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) orders: Sender<Order>,
    pub(super) waker: Arc<OwnedFd>,
}

/// What a thread is told.
#[derive(Debug)]
pub(super) enum Order {
    Begin(CallId, LegSocket, Option<Duration>),
    /// Listen on a shared port too.
    Open(SharedSocket),
    Tell(CallId, Command),
    End(CallId),
    Stop,
}

impl Engine {
    /// Starts the threads. Fails when the system has no more descriptors or threads.
    pub(crate) fn start(
        ports: &RtpPorts,
        events: tokio::sync::mpsc::UnboundedSender<super::MediaEvent>,
        received: &IntCounter,
        dropped: &Dropped,
        reports: &Counters,
    ) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let report = Report {
            events,
            dropped: dropped.clone(),
            reports: reports.clone(),
        };
        let start = |_| {
            let lanes = Lanes::new(ports.clone());
            Thread::start(report.clone(), received.clone(), lanes).map(Arc::new)
        };
        let threads = (0..cores.div_ceil(2).min(THREADS_MAX)).map(start);
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
        })
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// The thread that a call is on.
    pub(super) fn thread_of(&self, call: CallId) -> usize {
        call.0 as usize % self.threads.len()
    }

    /// Adds a shared port to a thread.
    pub(super) fn open(&self, thread: usize, socket: SharedSocket) {
        self.threads[thread].order(Order::Open(socket));
    }

    /// Begins a call's audio with the socket of the caller's leg.
    pub(super) fn begin(
        &self,
        call: CallId,
        socket: LegSocket,
        silence_max: Option<Duration>,
    ) -> Line {
        let thread = Arc::clone(&self.threads[self.thread_of(call)]);
        thread.order(Order::Begin(call, socket, silence_max));
        Line { call, thread }
    }
}

impl Line {
    pub(super) fn tell(&self, command: Command) {
        self.thread.order(Order::Tell(self.call, command));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.thread.order(Order::End(self.call));
    }
}

impl Thread {
    fn start(report: Report, received: IntCounter, lanes: Lanes) -> io::Result<Self> {
        let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (orders, inbox) = channel();
        let running = Running::new((inbox, &waker), (report, received), lanes)?;
        thread::Builder::new()
            .name("audio".to_owned())
            .spawn(move || running.run())?;
        Ok(Self { orders, waker })
    }

    /// The channel has no bound of its own: a call sends one order a step of its dialog, and calls are bounded.
    pub(super) fn order(&self, order: Order) {
        // Both fail only when the thread is gone, and then there is nothing left to tell.
        let _ = self.orders.send(order);
        let _ = rustix::io::write(&*self.waker, &1_u64.to_ne_bytes());
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.order(Order::Stop);
    }
}
