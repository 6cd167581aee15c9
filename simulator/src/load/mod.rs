//! The load generator: the simulator's traffic as real SIP and RTP, against this switch or anyone else's.
//!
//! Callers are real user agents: they follow a 302, send speech, and count what they hear. Numbers are the test numbers
//! that belong to nobody (`data/test_numbers.csv`); kommuner are drawn by population unless one is given.

mod caller;
mod keys;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod turns;
mod ways;

use std::{net::SocketAddr, ops::Range, sync::Arc, time::Duration};

use callcore::kommun::KommunId;
use transport::TlsClient;

pub use self::{
    report::{Delays, LoadReport, PLACED_LATE_MAX},
    run::{LoadError, LoadHandle, Progress, start},
};

/// What to play.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// Who is called, `sip:1177@127.0.0.1:5060`; `;transport=tcp` by TCP, `;transport=tls` or `sips:` by TLS.
    pub to: String,
    /// Where to send it, when not to the address in `to`.
    pub next_hop: Option<SocketAddr>,
    /// New calls a second; evenly drawn (Poisson), so that they bunch as real calls do.
    pub rate: f64,
    /// How many calls; `None`: until stopped.
    pub calls: Option<u64>,
    /// Seed of everything drawn by chance.
    pub seed: u64,
    /// Every caller's kommun; `None`: by population.
    pub kommun: Option<KommunId>,
    /// Who hangs up, and when.
    pub hold: Hold,
    /// How long a caller lets it ring, from the INVITE on, whoever it is sent on to: then it is taken back by CANCEL.
    pub patience: Duration,
    /// Whether callers send and count audio.
    pub audio: bool,
    /// Whose certificates are believed of a switch that is called by TLS; only then. Audio is encrypted where it takes keys.
    pub tls: Option<Arc<TlsClient>>,
    /// Whether a switch on another machine may be called.
    pub elsewhere: bool,
    /// Our own address; port 0 lets the system choose, and so does an unspecified address.
    pub local: SocketAddr,
    /// Calls at once; a call that would be one more is counted as not placed.
    pub at_once_max: usize,
}

impl LoadPlan {
    /// How long a caller waits for an answer.
    fn waits(&self) -> Duration {
        match self.hold {
            Hold::Caller(_) => self.patience,
            Hold::FarEnd(stays) => stays.min(self.patience),
        }
    }
}

/// Who hangs up.
#[derive(Debug, Clone)]
pub enum Hold {
    /// The caller, this long after the answer.
    Caller(Range<Duration>),
    /// The far end; the caller hangs up this long after the call was placed.
    FarEnd(Duration),
}

/// How long callers let it ring when nothing else is said: longer than any ring time and one provider after it, shorter than
/// the three minutes after which a proxy gives up (RFC 3261's timer C).
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Most calls at once when nothing else is said: the thousand at once of the 2020 peak, four times.
pub const AT_ONCE_MAX: usize = 4000;
