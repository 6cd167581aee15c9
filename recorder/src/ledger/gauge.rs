//! Whether the key is there that signs, for the metrics: looked at whenever somebody asks, since it may go at any time.

use prometheus::{
    IntGauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::Signer;
use crate::vault::Vault;

/// The metric of one store's signing key.
#[derive(Debug)]
pub(crate) struct SigningKeyGauge {
    vault: Vault,
    missing: IntGauge,
}

impl SigningKeyGauge {
    pub(crate) fn new(vault: Vault) -> Result<Self, prometheus::Error> {
        Ok(Self {
            vault,
            missing: IntGauge::new(
                "vaxel_recorder_signing_key_missing",
                "Whether the key that signs access logs and destruction register is gone: 1 or 0; nothing is shown, erased or held then",
            )?,
        })
    }
}

impl Collector for SigningKeyGauge {
    fn desc(&self) -> Vec<&Desc> {
        self.missing.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let missing = Signer::is_missing(&self.vault);
        self.missing.set(i64::from(missing));
        self.missing.collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        access::{self, Access},
        lost,
        store::By,
    };

    #[test]
    fn a_signing_key_that_is_gone_shows_until_it_is_back_or_given_up() {
        let place = tempfile::tempdir().expect("a folder");
        let (store, keys) = (place.path().join("store"), place.path().join("keys"));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let gauge = SigningKeyGauge::new(vault.clone()).expect("made");
        let shown = || gauge.collect()[0].get_metric()[0].get_gauge().get_value();
        assert_eq!(shown(), 0.0, "nothing was signed yet");
        let access = Access {
            who: "ana".into(),
            controller: "region-01".into(),
            action: "show".into(),
            object: "00".into(),
            purpose: String::new(),
        };
        access::write(&vault, Timestamp::now(), &[access]).expect("written");
        assert_eq!(shown(), 0.0);
        let (key, away) = (keys.join("signing.key"), place.path().join("away"));
        std::fs::rename(&key, &away).expect("ours");
        assert_eq!(shown(), 1.0);
        std::fs::write(&key, b"half").expect("ours");
        assert_eq!(shown(), 1.0, "one that is spoilt signs nothing");
        std::fs::rename(&away, &key).expect("ours");
        assert_eq!(shown(), 0.0);
        std::fs::remove_file(&key).expect("ours");
        let by = By {
            who: "ana".into(),
            purpose: "a fire".into(),
        };
        lost::signing_key_lost(&vault, &by, Timestamp::now()).expect("said");
        assert_eq!(shown(), 0.0);
    }
}
