//! No order with personal data, no delivery without a check, no step left out.

use super::*;

const LINK: &str = "https://stod.example.invalid/patient?patientID=a81f-77c2-Qx";
const ORDERER: &str = "SE2321000214-E4TQ";
const CATALOGUE: &str = "hsa_id,role,organisation,mail,phone\n\
    SE2321000214-E4TQ,verksamhetschef,region-23,chef@example.invalid,+46701740605\n\
    SE2321000214-N001,sjuksköterska,region-23,n@example.invalid,+46701740605\n\
    SE2321000016-V001,verksamhetschef,region-01,v@example.invalid,+46701740605\n";

fn form() -> Vec<(&'static str, &'static str)> {
    vec![
        ("kind", "content"),
        ("asked-by", "resident"),
        ("controller", "region-23"),
        ("orderer", ORDERER),
        ("patient", LINK),
        ("from", "2018-01-01"),
        ("until", "2019-01-01"),
    ]
}

fn with(field: &'static str, text: &'static str) -> Result<Order, Refusal> {
    let mut form = form();
    form.retain(|(name, _)| *name != field);
    form.push((field, text));
    Order::read(form)
}

fn at(second: i64) -> Time {
    Time::from_micros(1_795_318_000_000_000 + second * 1_000_000)
}

fn catalogue() -> Catalogue {
    Catalogue::parse(CATALOGUE).expect("a catalogue")
}

fn ordered(orderer: &'static str) -> Uttag<Ordered> {
    Uttag::new(with("orderer", orderer).expect("sound"), at(0), "support")
}

#[test]
fn an_order_goes_its_whole_way() {
    let catalogue = catalogue();
    let checked = ordered(ORDERER).check(&catalogue, at(1), "support");
    let sent = checked.expect("entitled").send("p24", at(2), "support");
    let closed = sent
        .deliver("ab12", at(3), "p24")
        .report(at(4), "p24")
        .close(at(5), "support");
    let saved = Saved::of(&closed);
    let names: Vec<_> = saved.steps.iter().map(|step| step.name).collect();
    assert_eq!(
        names,
        [
            "ordered",
            "checked",
            "sent",
            "delivered",
            "reported",
            "closed"
        ]
    );
    assert_eq!((&*saved.supplier, &*saved.delivery), ("p24", "ab12"));
    assert_eq!(closed.order().patient_id(), Some("a81f-77c2-Qx"));
}

#[test]
fn what_is_saved_comes_back_at_its_step() {
    let checked = ordered(ORDERER)
        .check(&catalogue(), at(1), "support")
        .expect("entitled");
    let saved = Saved::of(&checked);
    let back = saved.clone().restore().expect("sound").expect("in order");
    assert_eq!((back.step(), back.saved()), ("checked", saved.clone()));
    assert_eq!(back, Any::Checked(checked));
    for steps in [vec![], vec![1], vec![0, 2], vec![0, 1, 1], vec![1, 0]] {
        let mut torn = saved.clone();
        torn.steps = steps
            .iter()
            .map(|at| {
                saved
                    .steps
                    .get(*at)
                    .cloned()
                    .unwrap_or_else(|| Step::new("sent", at_zero(), "x"))
            })
            .collect();
        assert_eq!(torn.restore().expect("sound"), None, "{steps:?}");
    }
}

fn at_zero() -> Time {
    at(0)
}

#[test]
fn only_the_verksamhetschef_of_the_controller_may_order() {
    let catalogue = catalogue();
    for (orderer, why) in [
        ("SE2321000214-X", Refusal::NotInCatalogue),
        ("SE2321000214-N001", Refusal::NotManager),
        ("SE2321000016-V001", Refusal::OtherOrganisation),
    ] {
        let (back, refusal) = ordered(orderer)
            .check(&catalogue, at(1), "support")
            .expect_err("not entitled");
        assert_eq!((refusal, back.order().orderer()), (why, orderer));
    }
    let shown = format!("{catalogue:?}");
    assert!(!shown.contains("+46") && !shown.contains('@'), "{shown}");
}

/// Whoever adds a line to the catalogue doesn't get what the true orderer is waiting for.
#[test]
fn it_is_certain_where_a_delivery_and_its_secret_go() {
    let refused = |more: &str| {
        let catalogue = Catalogue::parse(&format!("{CATALOGUE}{more}")).expect("a catalogue");
        let manager = catalogue.manager("SE2321000214-NEW1", "region-23");
        manager.map(drop).expect_err("refused")
    };
    let line = |mail: &str, phone: &str| {
        format!("SE2321000214-NEW1,verksamhetschef,region-23,{mail},{phone}\n")
    };
    let whole = line("a@example.invalid", "+46701740605");
    for other in [
        line("b@example.invalid", "+46701740605"),
        line("a@example.invalid", "+46701740606"),
    ] {
        assert_eq!(refused(&format!("{whole}{other}")), Refusal::TwoAddresses);
        assert_eq!(refused(&format!("{other}{whole}")), Refusal::TwoAddresses);
    }
    for (mail, phone) in [
        ("", "+46701740605"),
        ("a@example.invalid", ""),
        ("a@example.invalid", "a@example.invalid"),
        ("+46701740605", "+46701740605"),
    ] {
        assert_eq!(refused(&line(mail, phone)), Refusal::NoAddress);
    }
    let twice = Catalogue::parse(&format!("{CATALOGUE}{whole}{whole}")).expect("a catalogue");
    assert!(twice.manager("SE2321000214-NEW1", "region-23").is_ok());
}

#[test]
fn personal_data_in_an_order_is_refused_and_not_repeated() {
    // The number is set aside by PTS; the personnummer is one of those that Skatteverket sets aside for tests.
    let personal = [
        ("patient", "tolvan 19121212-1212"),
        ("patient", "https://x.invalid/p?patientID=191212121212"),
        ("patient", "https://x.invalid/p?patientID=+46701740605"),
        (
            "patient",
            "https://x.invalid/070-1740605?patientID=a81f77c2",
        ),
        ("patient", "https://anna@x.invalid/?patientID=a81f77c2"),
        ("patient", "https://x.invalid/p?patientID=19121212_1212"),
        ("patient", "https://x.invalid/p?patientID=7-19121212-1212-7"),
        (
            "patient",
            "https://x.invalid/19121212/1212?patientID=a81f77c2",
        ),
        ("patient", "https://x.invalid/p?patientID=46701740605"),
        ("patient", "https://x.invalid/p?patientID=46_70_174_06_05"),
        ("patient", "https://x.invalid/p?patientID=p_0701740605_2"),
        ("orderer", "SE2321000214-46701740605"),
        ("orderer", "121212-1212"),
        ("orderer", "070-174 06 05"),
        ("orderer", "chef@example.invalid"),
        ("orderer", "SE1212121212-A"),
        ("from", "19121212-1212"),
        ("kind", "+46 70 174 06 05"),
        ("controller", "0701740605"),
    ];
    for (field, text) in personal {
        let refusal = with(field, text).expect_err(text);
        assert!(
            matches!(refusal, Refusal::PersonalData { .. }),
            "{text}: {refusal:?}"
        );
        let said = format!("{refusal} {refusal:?}");
        for secret in ["1212", "174", "anna", "chef@"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn an_opaque_patient_id_is_no_number() {
    for link in [
        LINK,
        "https://x.invalid/p?patientID=0f8fad5b-d9cb-469f-a165-70867728950e",
        "https://x.invalid:8443/2018-01-01/p?patientID=1234567_46",
    ] {
        assert!(with("patient", link).is_ok(), "{link}");
    }
}

#[test]
fn the_form_has_no_room_for_names_or_free_text() {
    for field in [
        "name",
        "note",
        "personnummer",
        "telephone",
        "Anna Andersson 070",
    ] {
        let mut form = form();
        form.push((field, "Anna Andersson"));
        let refusal = Order::read(form).expect_err(field);
        assert!(matches!(refusal, Refusal::UnknownField(_)));
        assert!(!refusal.to_string().contains("070"), "{refusal}");
    }
    for (field, text) in [
        ("patient", "Anna Andersson"),
        ("patient", "http://x.invalid/?patientID=a81f77c2"),
        ("patient", "https://x.invalid/?patientID=a81f77c2&name=anna"),
        ("patient", "https://x.invalid/?patientID=short"),
        ("orderer", "Anna Andersson"),
        ("kind", "everything"),
        ("controller", "Region Stockholm"),
        ("until", "2017-01-01"),
        ("from", "yesterday"),
    ] {
        let refusal = with(field, text).expect_err(text);
        assert!(
            matches!(refusal, Refusal::Malformed { .. }),
            "{text}: {refusal:?}"
        );
    }
}

#[test]
fn a_patient_is_named_but_for_a_providers_own_access_log() {
    let without = |kind, asked_by| {
        Order::read([
            ("kind", kind),
            ("asked-by", asked_by),
            ("controller", "region-23"),
            ("orderer", ORDERER),
        ])
    };
    assert!(without("access-log", "care-provider").is_ok());
    for (kind, asked_by) in [
        ("access-log", "resident"),
        ("content", "care-provider"),
        ("register", "resident"),
    ] {
        assert_eq!(without(kind, asked_by), Err(Refusal::Missing("patient")));
    }
    assert_eq!(Order::read([]), Err(Refusal::Missing("kind")));
}

#[test]
fn a_number_is_looked_up_with_its_country_code() {
    let number = lookup_number("+46 70 174 06 05").expect("a number");
    assert_eq!(number.reveal().as_str(), "+46701740605");
    for text in ["0701740605", "0046701740605", "+4", "+46x", ""] {
        assert_eq!(lookup_number(text), Err(Refusal::CountryCode), "{text}");
    }
}

#[test]
fn what_is_no_catalogue_is_refused() {
    assert_eq!(Catalogue::parse(""), Err(CatalogueError::Header));
    let short = "hsa_id,role,organisation,mail,phone\na,b,c\n";
    assert_eq!(Catalogue::parse(short), Err(CatalogueError::Line(2)));
}

#[test]
fn a_form_reads_back() {
    let order = Order::read(form()).expect("sound");
    let fields = order.fields();
    let again = Order::read(fields.iter().map(|(name, text)| (*name, text.as_str())));
    assert_eq!(again, Ok(order.clone()));
    let day = |text: &str| text.parse().expect("a day");
    assert!(order.covers(day("2018-12-31")) && !order.covers(day("2019-01-01")));
    assert!(!order.covers(day("2017-12-31")));
}
