//! What the metrics say of backups: read from the catalogue whenever somebody asks, since other processes write it.

use jiff::Timestamp;
use prometheus::{
    IntGauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::Catalogue;
use crate::vault::Vault;

/// The metrics of one store's backups.
#[derive(Debug)]
pub(crate) struct Gauges {
    vault: Vault,
    last: IntGauge,
    keys: IntGauge,
    tested: IntGauge,
    sound: IntGauge,
    expired: IntGauge,
}

impl Gauges {
    pub(crate) fn new(vault: Vault) -> Result<Self, prometheus::Error> {
        Ok(Self {
            vault,
            last: IntGauge::new(
                "vaxel_backup_last_timestamp_seconds",
                "When the newest backup was made; 0: there is none",
            )?,
            keys: IntGauge::new(
                "vaxel_backup_keys_timestamp_seconds",
                "When the key part of the backups was replaced last; 0: there is none",
            )?,
            tested: IntGauge::new(
                "vaxel_backup_tested_timestamp_seconds",
                "When a restore was tried last; 0: never",
            )?,
            sound: IntGauge::new(
                "vaxel_backup_test_sound",
                "Whether all came back when it was tried last: 1 or 0",
            )?,
            expired: IntGauge::new(
                "vaxel_backup_expired_backups",
                "Backups that have outlived their time and are still there",
            )?,
        })
    }

    fn all(&self) -> [&IntGauge; 5] {
        [
            &self.last,
            &self.keys,
            &self.tested,
            &self.sound,
            &self.expired,
        ]
    }

    fn read(&self) {
        // An unreadable catalogue shows as no backup: that is the alarm.
        let catalogue = Catalogue::read(&self.vault).unwrap_or_default();
        let seconds = |at: Option<&String>| {
            at.and_then(|at| at.parse::<Timestamp>().ok())
                .map_or(0, Timestamp::as_second)
        };
        self.last
            .set(seconds(catalogue.backups.last().map(|kept| &kept.at)));
        self.keys
            .set(seconds(catalogue.keys.as_ref().map(|part| &part.at)));
        let tested = catalogue.tested.as_ref();
        self.tested.set(seconds(tested.map(|tested| &tested.at)));
        self.sound
            .set(i64::from(tested.is_some_and(|tested| tested.sound)));
        let expired = catalogue.expired(Timestamp::now()).count();
        self.expired.set(i64::try_from(expired).unwrap_or(i64::MAX));
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(IntGauge::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.read();
        self.all().into_iter().flat_map(IntGauge::collect).collect()
    }
}
