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
    keys_missing: IntGauge,
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
            keys_missing: IntGauge::new(
                "vaxel_backup_keys_missing",
                "Whether there are backups and their key part isn't where it was put, so that none opens: 1 or 0",
            )?,
        })
    }

    fn all(&self) -> [&IntGauge; 6] {
        [
            &self.last,
            &self.keys,
            &self.tested,
            &self.sound,
            &self.expired,
            &self.keys_missing,
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
        self.keys_missing.set(i64::from(catalogue.lacks_keys()));
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::backup::{KeyPart, catalogue::Kept};

    #[test]
    fn a_key_part_that_is_gone_shows() {
        let place = tempfile::tempdir().expect("a folder");
        let at = |name: &str| place.path().join(name);
        let vault = Vault::open(&at("store"), &at("keys")).expect("fresh");
        let gauges = Gauges::new(vault.clone()).expect("named");
        let shown = || {
            let families = gauges.collect();
            let of = families
                .iter()
                .find(|of| of.name() == "vaxel_backup_keys_missing");
            of.map(|of| of.get_metric()[0].get_gauge().get_value())
        };
        assert_eq!(shown(), Some(0.0), "no backup, nothing to open");
        let part = |path: &Path| KeyPart {
            path: path.to_owned(),
            at: Timestamp::UNIX_EPOCH.to_string(),
            files: 1,
            register_lines: 0,
        };
        let kept = Kept {
            name: "vaxel-1".to_owned(),
            at: Timestamp::UNIX_EPOCH.to_string(),
            audio: at("audio.age"),
            recordings: 1,
            bytes: 1,
            sha256: String::new(),
            expires: String::new(),
            tested: None,
        };
        let keys = at("keys.age");
        std::fs::write(&keys, "").expect("ours");
        Catalogue::change(&vault, |catalogue| {
            catalogue.backups.push(kept.clone());
            catalogue.keys = Some(part(&keys));
        })
        .expect("written");
        assert_eq!(shown(), Some(0.0));
        std::fs::remove_file(&keys).expect("ours");
        assert_eq!(shown(), Some(1.0));
    }
}
