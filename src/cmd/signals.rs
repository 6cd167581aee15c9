//! Signals that a program waits for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use nix::sys::signal::{SigSet, Signal as Kind};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Somebody at the keyboard (SIGINT) or a supervisor (SIGTERM) wants the program to end. Made before the program says that it is
/// ready: until then a signal ends it at once, from then on none is lost.
#[derive(Debug)]
pub(crate) struct EndWanted {
    interrupt: Signal,
    terminate: Signal,
}

impl EndWanted {
    /// Listens from now on. Must be called inside a tokio runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: listen_for(SignalKind::interrupt())?,
            terminate: listen_for(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one; one that came meanwhile counts.
    pub(crate) async fn wanted(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Whether one came that nobody has waited for.
    pub(crate) async fn came(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.wanted() => true,
            () = std::future::ready(()) => false,
        }
    }
}

/// Set when somebody presses Ctrl-C: a computation ends with what it has. Must be called inside a tokio runtime.
pub(crate) fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let mut end = EndWanted::listen()?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    tokio::spawn(async move {
        end.wanted().await;
        asked.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}

/// Listens for one kind.
pub(crate) fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| {
        let number = kind.as_raw_value();
        Failure::run(format!("can't listen for signal {number}: {error}"))
    })
}

/// What is asked of a running switch (SIGHUP, SIGUSR2) waits from now on in this thread, and in the program that it becomes: one that
/// listens for nothing yet would be ended by it.
pub(crate) fn hold_back() {
    told(of_a_switch().thread_block());
}

/// What waited comes, now that it is listened for.
pub(crate) fn let_through() {
    told(of_a_switch().thread_unblock());
}

fn of_a_switch() -> SigSet {
    let mut held = SigSet::empty();
    held.add(Kind::SIGHUP);
    held.add(Kind::SIGUSR2);
    held
}

/// The system has no reason to refuse it; without it the program is as it would be.
fn told(held: nix::Result<()>) {
    if let Err(error) = held {
        tracing::warn!(%error, "signals can't be held back");
    }
}
