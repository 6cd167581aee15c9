//! Counts what the recorder does, once, for the metrics and for the dashboards.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use callcore::tag::RecordingTag;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tokio::sync::watch;

use crate::{
    index::Closing,
    monitor::{Duties, Figures, Monitor, Stored},
    server::RefusalReason,
};

/// Why nothing new is recorded, from whomever it comes; several may hold at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hindrance {
    /// The recorder ends.
    Stops,
    /// The index was read through and is damaged.
    IndexDamaged,
    /// Store or keys can't be written.
    Disk,
    /// What waits for S3 fills the spool.
    SpoolFull,
}

/// The counters and who watches them.
#[derive(Debug)]
pub(crate) struct Board {
    registry: Registry,
    figures: watch::Sender<Arc<Figures>>,
    ready: watch::Sender<bool>,
    hindrances: Mutex<BTreeSet<Hindrance>>,
    duties: Arc<watch::Sender<Arc<Duties>>>,
    recordings: IntCounterVec,
    open: IntGauge,
    refused: IntCounterVec,
    pub(crate) packets: IntCounter,
    pub(crate) packets_lost: IntCounter,
    /// Streams that were paused.
    pub(crate) pauses: IntCounter,
    pub(crate) bytes_written: IntCounter,
    /// Encrypted bytes that wait to be moved to S3.
    pub(crate) spool_bytes: IntGauge,
    /// Beginnings and ends that the index couldn't take yet.
    pub(crate) index_backlog: IntGauge,
    /// Whether the index was read through and is damaged: 1 or 0.
    pub(crate) index_damaged: IntGauge,
    /// Whether the index is another one than before and doesn't know yet what lies in the bucket: 1 or 0.
    pub(crate) index_incomplete: IntGauge,
    /// Recordings in the bucket that can't be entered.
    pub(crate) bucket_unopened: IntGauge,
    pub(crate) uploads: IntCounter,
    pub(crate) upload_failures: IntCounter,
    /// Streams that began, encrypted or plain.
    streams: IntCounterVec,
    /// Datagrams that belong to no recorded stream.
    datagrams_dropped: IntCounterVec,
}

impl Board {
    /// All at zero but for what is stored already.
    pub(crate) fn new(figures: Figures) -> Result<Self, prometheus::Error> {
        let labelled =
            |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let [index_damaged, index_incomplete, bucket_unopened] = whether_sound()?;
        let board = Self {
            registry: Registry::new(),
            figures: watch::Sender::new(Arc::new(figures)),
            ready: watch::Sender::new(true),
            hindrances: Mutex::default(),
            duties: Arc::new(watch::Sender::new(Arc::default())),
            recordings: labelled(
                "vaxel_recorder_recordings_total",
                "Recordings that ended, by controller and how",
                &["controller", "state"],
            )?,
            open: IntGauge::new("vaxel_recorder_open_recordings", "Recordings open now")?,
            refused: labelled(
                "vaxel_recorder_refused_total",
                "Recordings refused, by reason",
                &["reason"],
            )?,
            packets: IntCounter::new(
                "vaxel_recorder_packets_total",
                "RTP packets of audio stored",
            )?,
            packets_lost: IntCounter::new(
                "vaxel_recorder_packets_lost_total",
                "RTP packets of audio that never came or could not be stored",
            )?,
            pauses: IntCounter::new(
                "vaxel_recorder_pauses_total",
                "Streams that a recording client paused, as in a hold",
            )?,
            bytes_written: IntCounter::new(
                "vaxel_recorder_bytes_written_total",
                "Encrypted bytes of closed recordings",
            )?,
            spool_bytes: IntGauge::new(
                "vaxel_recorder_spool_bytes",
                "Encrypted bytes of ended recordings that wait to be moved to S3",
            )?,
            index_backlog: IntGauge::new(
                "vaxel_recorder_index_backlog",
                "Beginnings and ends of recordings that the index could not take yet",
            )?,
            index_damaged,
            index_incomplete,
            bucket_unopened,
            uploads: IntCounter::new(
                "vaxel_recorder_uploads_total",
                "Recordings moved to S3 and compared with what was sent",
            )?,
            upload_failures: IntCounter::new(
                "vaxel_recorder_upload_failures_total",
                "Attempts to move a recording to S3 that failed; it waits in the spool",
            )?,
            streams: labelled(
                "vaxel_recorder_streams_total",
                "Streams of recording sessions that began, by how their audio comes: srtp or rtp",
                &["by"],
            )?,
            datagrams_dropped: labelled(
                "vaxel_recorder_datagrams_dropped_total",
                "Datagrams to a recording's port that are no part of it, by reason",
                &["reason"],
            )?,
        };
        board.register()?;
        Ok(board)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let build = IntGaugeVec::new(
            Opts::new(
                "vaxel_recorder_build_info",
                "Always 1; the version is in the label",
            ),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        self.registry.register(Box::new(build))?;
        for counters in [
            &self.recordings,
            &self.refused,
            &self.streams,
            &self.datagrams_dropped,
        ] {
            self.registry.register(Box::new(counters.clone()))?;
        }
        for counter in [
            &self.packets,
            &self.packets_lost,
            &self.pauses,
            &self.bytes_written,
            &self.uploads,
            &self.upload_failures,
        ] {
            self.registry.register(Box::new(counter.clone()))?;
        }
        for gauge in [
            &self.spool_bytes,
            &self.index_backlog,
            &self.index_damaged,
            &self.index_incomplete,
            &self.bucket_unopened,
        ] {
            self.registry.register(Box::new(gauge.clone()))?;
        }
        self.registry.register(Box::new(self.open.clone()))
    }

    pub(crate) fn monitor(&self) -> Monitor {
        Monitor {
            figures: self.figures.subscribe(),
            metrics: self.registry.clone(),
            ready: self.ready.subscribe(),
            duties: Arc::clone(&self.duties),
        }
    }

    pub(crate) fn opened(&self) {
        self.open.inc();
        self.figures
            .send_modify(|figures| Arc::make_mut(figures).open += 1);
    }

    /// A recording that was open has ended. The controller is one of the scenario's, so the label is bounded.
    pub(crate) fn closed(&self, tag: &RecordingTag, closing: &Closing) {
        self.open.dec();
        self.recordings
            .with_label_values(&[&tag.controller, closing.state.name()])
            .inc();
        self.bytes_written.inc_by(closing.bytes);
        self.figures.send_modify(|figures| {
            let figures = Arc::make_mut(figures);
            figures.open = figures.open.saturating_sub(1);
            let stored = figures
                .controllers
                .entry(tag.controller.to_string())
                .or_default();
            stored.recordings += 1;
            stored.bytes += closing.bytes;
            stored.seconds += closing.tally.seconds();
            let due = tag.earliest.to_string();
            if stored.next_due.is_empty() || due < stored.next_due {
                stored.next_due = due;
            }
        });
    }

    /// What is stored, counted anew.
    pub(crate) fn stored(&self, controllers: BTreeMap<String, Stored>) {
        self.figures.send_if_modified(|figures| {
            let changed = figures.controllers != controllers;
            if changed {
                Arc::make_mut(figures).controllers = controllers;
            }
            changed
        });
    }

    pub(crate) fn refused(&self, reason: RefusalReason) {
        let reason = reason.name();
        self.refused.with_label_values(&[reason]).inc();
        self.figures.send_modify(|figures| {
            *Arc::make_mut(figures)
                .refused
                .entry(reason.to_owned())
                .or_default() += 1
        });
    }

    /// A session has begun to send a stream.
    pub(crate) fn stream_begins(&self, encrypted: bool) {
        let by = if encrypted { "srtp" } else { "rtp" };
        self.streams.with_label_values(&[by]).inc();
    }

    /// A datagram is no part of a recorded stream.
    pub(crate) fn dropped(&self, reason: &'static str) {
        self.datagrams_dropped.with_label_values(&[reason]).inc();
    }

    /// From now on nothing new is recorded.
    pub(crate) fn index_is_damaged(&self) {
        self.index_damaged.set(1);
        self.hinder(Hindrance::IndexDamaged, true);
    }

    /// Notes whether this is so. Gives whether it wasn't before.
    pub(crate) fn hinder(&self, what: Hindrance, is_so: bool) -> bool {
        let mut hindrances = self.lock_hindrances();
        let changed = match is_so {
            true => hindrances.insert(what),
            false => hindrances.remove(&what),
        };
        self.ready.send_replace(hindrances.is_empty());
        changed
    }

    fn lock_hindrances(&self) -> std::sync::MutexGuard<'_, BTreeSet<Hindrance>> {
        self.hindrances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the index is damaged, whether it is another one that doesn't know all yet, and what that couldn't be told of.
fn whether_sound() -> Result<[IntGauge; 3], prometheus::Error> {
    Ok([
        IntGauge::new(
            "vaxel_recorder_index_damaged",
            "Whether the index was read through and found damaged: 1 or 0",
        )?,
        IntGauge::new(
            "vaxel_recorder_index_incomplete",
            "Whether the index is another one than before and does not know yet what lies in S3: 1 or 0",
        )?,
        IntGauge::new(
            "vaxel_recorder_bucket_unopened",
            "Recordings in S3 that another index could not be told of: without a key or a tag",
        )?,
    ])
}
