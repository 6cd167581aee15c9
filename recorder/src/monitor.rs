//! What the recorder shows of itself: figures by controller, nothing personal.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use tokio::sync::watch;

use crate::reconcile::Report;

/// A window on a running recorder for dashboards and metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// The figures, renewed when they change.
    pub figures: watch::Receiver<Arc<Figures>>,
    /// The recorder's metrics.
    pub metrics: prometheus::Registry,
    /// Whether new recordings are taken.
    pub ready: watch::Receiver<bool>,
    pub(crate) duties: Arc<watch::Sender<Arc<Duties>>>,
}

impl Monitor {
    /// A window on what somebody else fills.
    pub fn new(
        figures: watch::Receiver<Arc<Figures>>,
        metrics: prometheus::Registry,
        ready: watch::Receiver<bool>,
    ) -> Self {
        Self {
            figures,
            metrics,
            ready,
            duties: Arc::new(watch::Sender::new(Arc::default())),
        }
    }

    /// What the recorder's API found when it looked last.
    pub fn duties(&self) -> watch::Receiver<Arc<Duties>> {
        self.duties.subscribe()
    }

    /// Shows what was found; the recorder's API does that by itself.
    pub fn tell(&self, duties: Duties) {
        self.duties.send_replace(Arc::new(duties));
    }
}

/// What somebody has to answer for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Duties {
    /// Things that have outstayed their ceiling, by controller and class.
    pub overdue: BTreeMap<String, BTreeMap<String, u64>>,
    /// Calls held against recordings; `None` before it was done once.
    pub reconciliation: Option<Report>,
    /// The key that signs access logs and register is gone: nothing is shown, erased or held.
    pub signing_key_missing: bool,
}

/// What is stored, by controller.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Recordings open now.
    pub open: usize,
    /// By controller.
    pub controllers: BTreeMap<String, Stored>,
    /// Refused recordings by reason since the start.
    pub refused: BTreeMap<String, u64>,
}

/// One controller's share.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stored {
    /// Calls with a closed recording.
    pub recordings: u64,
    /// Encrypted bytes.
    pub bytes: u64,
    /// Seconds of audio, summed over calls.
    pub seconds: f64,
    /// The next day on which anything may be erased, if a decision says so; empty when there is none.
    pub next_due: String,
}
