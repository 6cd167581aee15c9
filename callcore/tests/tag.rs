//! The recording tag: text out, the same tag in, and one canonical form for each.

use callcore::{
    retention::OBJECT_CLASSES,
    switch::CallId,
    tag::{RecordingTag, TAG_FIELD_LEN_MAX, TAG_FIELDS, TagError},
    time::Time,
};
use jiff::civil::Date;
use proptest::prelude::*;

fn tag() -> RecordingTag {
    RecordingTag {
        controller: "region-01".into(),
        processor: "inera".into(),
        operator: "inera".into(),
        region: "01".into(),
        kommun: "0180".into(),
        purpose: "patient-safety-and-quality".into(),
        basis: "BTV instruction 8".into(),
        agreement: "pub-01".into(),
        class: callcore::retention::ObjectClass::Audio,
        earliest: jiff::civil::date(2028, 3, 2),
        latest: Some(jiff::civil::date(2029, 3, 2)),
        route: "stockholm".into(),
        table: "0123456789abcdef".into(),
        call: CallId(7),
        started: Time::from_micros(1_772_438_400_000_001),
    }
}

type Fields = [(&'static str, String); TAG_FIELDS];

fn read(fields: &Fields) -> Result<RecordingTag, TagError> {
    RecordingTag::from_fields(|name| {
        fields
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| text.as_str())
    })
}

fn with(name: &str, value: &str) -> Result<RecordingTag, TagError> {
    let mut fields = tag().fields();
    let field = fields
        .iter_mut()
        .find(|(known, _)| *known == name)
        .expect("a field of the tag");
    value.clone_into(&mut field.1);
    read(&fields)
}

#[test]
fn a_person_can_read_it() {
    assert_eq!(
        tag().to_string(),
        "call 7 of 2026-03-02T08:00:00.000001Z, route stockholm: controller region-01, processor inera under pub-01; \
         audio for patient-safety-and-quality (BTV instruction 8), kept at least until 2028-03-02, \
         at most until 2029-03-02"
    );
}

#[test]
fn what_every_recording_has_must_be_there() {
    for (name, _) in tag().fields() {
        let optional = ["region", "kommun", "agreement", "latest"].contains(&name);
        match with(name, "") {
            Ok(_) => assert!(optional, "{name} may be empty"),
            Err(error) => assert_eq!((error, optional), (TagError::Missing(name), false)),
        }
    }
}

#[test]
fn what_is_malformed_is_refused_without_being_repeated() {
    let cases = [
        ("class", "voice"),
        ("earliest", "soon"),
        ("call", "-1"),
        ("started", "noon"),
        ("kommun", "018"),
        ("region", "1a"),
    ];
    for (name, value) in cases {
        let error = with(name, value).expect_err(name);
        assert!(
            matches!(error, TagError::Malformed { field, .. } if field == name),
            "{error}"
        );
        assert!(
            !error.to_string().contains(&format!("`{value}`")),
            "{error}"
        );
    }
    assert_eq!(
        with("latest", "2028-03-01"),
        Err(TagError::FloorAboveCeiling)
    );
    assert_eq!(
        with("route", &"r".repeat(TAG_FIELD_LEN_MAX + 1)),
        Err(TagError::TooLong("route"))
    );
}

fn any_tag() -> impl Strategy<Value = RecordingTag> {
    let text = || "[ab:0-9\\n =]{1,6}".prop_map(String::into_boxed_str);
    let days = (0..20_000_i32, prop::option::of(0..2_000_i32));
    let day = |days: i32| {
        Date::new(1990, 1, 1)
            .expect("a date")
            .saturating_add(jiff::Span::new().days(days))
    };
    let names = (text(), text(), text(), text(), text(), text());
    let optional = (
        prop_oneof!["", "[0-9]{2}"],
        prop_oneof!["", "[0-9]{4}"],
        "[ab:0-9\\n]{0,4}",
    );
    let class = (0..OBJECT_CLASSES.len()).prop_map(|at| OBJECT_CLASSES[at]);
    let moment = -60_000_000_000_000_000..250_000_000_000_000_000_i64;
    (names, optional, days, class, any::<u64>(), moment).prop_map(
        move |(names, optional, days, class, call, moment)| RecordingTag {
            controller: names.0,
            processor: names.1,
            operator: names.2,
            region: optional.0.into(),
            kommun: optional.1.into(),
            purpose: names.3,
            basis: names.4,
            agreement: optional.2.into(),
            class,
            earliest: day(days.0),
            latest: days.1.map(|more| day(days.0 + more)),
            route: names.5,
            table: "00".into(),
            call: CallId(call),
            started: Time::from_micros(moment),
        },
    )
}

proptest! {
    #[test]
    fn a_tag_comes_back_as_it_was(tag in any_tag()) {
        prop_assert_eq!(read(&tag.fields()), Ok(tag));
    }

    #[test]
    fn no_two_tags_share_a_canonical_form(one in any_tag(), other in any_tag()) {
        prop_assert_eq!(one == other, one.canonical() == other.canonical());
        // Text moved from one field to the next is the attack that a length before each field prevents.
        let moved = RecordingTag { controller: format!("{}{}", one.controller, one.processor).into(), processor: "".into(), ..one.clone() };
        prop_assert_ne!(moved.canonical(), one.canonical());
    }

    #[test]
    fn arbitrary_fields_never_panic(texts in prop::collection::vec(".{0,20}", TAG_FIELDS)) {
        let mut fields = tag().fields();
        for (field, text) in fields.iter_mut().zip(texts) {
            field.1 = text;
        }
        let _ = read(&fields);
    }
}
