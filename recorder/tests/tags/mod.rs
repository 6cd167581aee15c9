//! The tag of a call that a region's queue answered.

use callcore::{retention::ObjectClass, switch::CallId, tag::RecordingTag, time::Time};

/// From Stockholm, on 2026-11-22.
pub(crate) fn region_01() -> RecordingTag {
    RecordingTag {
        controller: "region-01".into(),
        processor: "inera".into(),
        operator: "inera".into(),
        region: "01".into(),
        kommun: "0180".into(),
        purpose: "patient-safety-and-quality".into(),
        basis: "GDPR Art. 9.2 h".into(),
        agreement: "inera-region-01".into(),
        class: ObjectClass::Audio,
        earliest: jiff::civil::date(2028, 11, 22),
        latest: Some(jiff::civil::date(2029, 11, 22)),
        route: "stockholm".into(),
        table: "0123456789abcdef".into(),
        call: CallId(7),
        started: Time::from_micros(1_795_318_000_000_000),
    }
}
