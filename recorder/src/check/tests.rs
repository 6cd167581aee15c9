//! What a store may give away, and what the check must find.

use std::{fs, io::Write, net::TcpListener, os::unix::fs::PermissionsExt, thread};

use callcore::scenario::Srtp;

use super::*;
use crate::vault::{
    Vault,
    stub::{self, Stub},
};

/// Set aside by PTS for books and films (data/test_numbers.csv).
const NUMBER: &str = "+46701740605";

struct Bench {
    _place: tempfile::TempDir,
    targets: Targets,
}

impl Bench {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let (store, keys) = (place.path().join("store"), place.path().join("keys"));
        Vault::open(&store, &keys).expect("fresh");
        Self {
            targets: Targets {
                store: Some(store),
                keys: Some(keys),
                ..Targets::default()
            },
            _place: place,
        }
    }

    /// Its audio is there.
    fn with_bucket(&mut self, stub: &Stub) -> Place {
        let Targets { store, keys, .. } = &self.targets;
        let near = Place::folders(store.as_ref().expect("set"), keys.as_ref().expect("set"));
        let place = stub.place(near);
        self.targets.bucket = Some(place.clone());
        place
    }

    /// A private file in the store.
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.targets.store.as_ref().expect("set").join(name);
        crate::vault::folder::write_private(&path, bytes).expect("ours");
        path
    }

    fn codes(&self) -> Vec<&'static str> {
        let findings = check(None, &self.targets).findings;
        findings.into_iter().map(|finding| finding.code).collect()
    }
}

/// A voice-like tone that swells and fades.
fn speech() -> Vec<i16> {
    (0..16_000)
        .map(|n| {
            let t = f64::from(n) / 8000.0;
            let swell = 0.5 + 0.5 * (t * 3.0).sin();
            ((t * 2000.0).sin() * 8000.0 * swell + (t * 4400.0).sin() * 3000.0) as i16
        })
        .collect()
}

#[test]
fn a_sound_store_gives_nothing_away() {
    let bench = Bench::new();
    let random: Vec<u8> = (0..100_000).map(|_| rand::random()).collect();
    bench.put("stream.vax", &random);
    bench.put("tag.json", b"{\"started\": \"2018-11-05T09:00:00Z\", \"kommun\": \"0180\", \"id\": \"0701234567abcdef0123456789abcdef\"}");
    assert_eq!(bench.codes(), [""; 0]);
}

/// As when somebody unpacked a copy there. Only root can give a file away, so that as anybody else nothing is tried.
#[test]
fn what_belongs_to_another_account_is_told_of() {
    let bench = Bench::new();
    let [store, keys] = [&bench.targets.store, &bench.targets.keys];
    let inside = bench.put("tag.json", b"{}");
    let key = keys.as_ref().expect("set").join("controllers");
    for given in [&inside, &key] {
        let given_away = std::os::unix::fs::chown(given, Some(65_534), None).is_ok();
        if !given_away {
            return;
        }
        let findings = check(None, &bench.targets).findings;
        let found = findings.iter().map(|one| (one.code, &*one.r#where));
        let expected = [("S0110", &*given.to_string_lossy())];
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let refused = quick(store.as_ref().expect("set"), keys.as_ref().expect("set"));
        assert_eq!(refused.map(|one| one.code), Some("S0110"));
        std::os::unix::fs::chown(given, Some(0), None).expect("root's");
    }
    assert_eq!(bench.codes(), [""; 0]);
}

#[test]
fn a_bucket_that_keeps_versions_is_told_of() {
    let mut bench = Bench::new();
    let stub = Stub::start();
    let place = bench.with_bucket(&stub);
    let remote = crate::vault::Remote::of(&place).expect("made");
    let file = bench.put("x", b"sealed");
    stub.keep_versions(Some("v1"));
    assert_eq!(bench.codes(), [""; 0], "nothing is there");
    let put = remote.expect("a bucket").put("region-01/x", &file);
    put.expect("put");
    for (version, codes) in [
        (None, &[][..]),
        (Some("null"), &[]),
        (Some("v1"), &["S0111"]),
    ] {
        stub.keep_versions(version);
        assert_eq!(bench.codes(), codes, "{version:?}");
    }
}

#[test]
fn recordings_in_the_bucket_that_the_index_does_not_know_are_told_of() {
    let mut bench = Bench::new();
    let stub = Stub::start();
    let place = bench.with_bucket(&stub);
    let vault = Vault::open_place(place).expect("there");
    let tag = crate::vault::test_tag("region-01");
    let id = stub::recorded(&vault, &tag);
    assert_eq!(bench.codes(), ["S0106"], "there is no index at all");
    let index = crate::index::Index::open(&vault).expect("fresh");
    assert_eq!(bench.codes(), ["S0112"]);
    index.insert_open(id, &tag).expect("entered");
    assert_eq!(bench.codes(), [""; 0]);
}

/// What can't be looked at isn't taken for sound: here a recording below a path that is too long for any program.
#[test]
fn what_cannot_be_reached_is_told_of() {
    let bench = Bench::new();
    let store = bench.targets.store.as_ref().expect("set");
    let far = |top: &str, depth| {
        let top = store.join(top);
        let path = (0..depth).fold(top.clone(), |path, _| path.join("a".repeat(200)));
        crate::vault::folder::make_private(&path).expect("ours");
        (top, path)
    };
    let (_, near) = far("near", 19);
    let (top, end) = far("far", 2);
    crate::vault::folder::write_private(&end.join("x.wav"), b"RIFF\x10\0\0\0WAVE").expect("ours");
    assert!(bench.codes().contains(&"S0201"));
    fs::rename(top, near.join("b")).expect("moved");
    assert!(bench.codes().contains(&"S0106"), "{:?}", bench.codes());
}

/// Also while a recorder writes: the index's log has columns of numbers that pass for samples.
#[test]
fn an_index_in_use_gives_nothing_away() {
    let bench = Bench::new();
    let store = bench.targets.store.as_ref().expect("set");
    let vault = Vault::open(store, bench.targets.keys.as_ref().expect("set")).expect("there");
    let index = crate::index::Index::open(&vault).expect("fresh");
    for _ in 0..50 {
        let id = crate::names::RecordingId::random().expect("random");
        let tag = crate::vault::test_tag("region-01");
        index.insert_open(id, &tag).expect("entered");
    }
    assert!(store.join("index.sqlite-wal").exists());
    assert_eq!(bench.codes(), [""; 0]);
}

#[test]
fn audio_in_the_clear_is_found_however_it_is_written() {
    let speech = speech();
    let (mut alaw, mut ulaw, mut linear) = (Vec::new(), Vec::new(), Vec::new());
    wire::g711::Law::A.encode_into(&speech, &mut alaw);
    wire::g711::Law::U.encode_into(&speech, &mut ulaw);
    speech
        .iter()
        .for_each(|sample| linear.extend_from_slice(&sample.to_le_bytes()));
    for bytes in [&alaw, &ulaw, &linear] {
        let bench = Bench::new();
        bench.put("x", bytes);
        assert_eq!(bench.codes(), ["S0202"]);
        // Behind the head of a stream of ours, too.
        bench.put("x", &[b"VXS\x01".as_slice(), bytes].concat());
        assert_eq!(bench.codes(), ["S0202"]);
    }
    let bench = Bench::new();
    bench.put("call", b"RIFF\x00\x00\x00\x00WAVEfmt ");
    assert_eq!(bench.codes(), ["S0201"]);
}

#[test]
fn numbers_in_the_clear_are_found() {
    for text in [NUMBER, "070-174 06 05", "0046701740605", "031-3900600"] {
        let bench = Bench::new();
        bench.put("log", format!("call from {text}, ended").as_bytes());
        assert_eq!(bench.codes(), ["S0203"], "{text}");
        let said = &check(None, &bench.targets).findings[0].message;
        assert!(!said.contains("174"), "and not repeated");
    }
    // As a log has it: behind a time, and before another figure.
    for line in [
        "2018-11-05 10:00:00 0701740605 17",
        "2018-11-05 031-3900600",
    ] {
        let bench = Bench::new();
        bench.put("log", line.as_bytes());
        assert_eq!(bench.codes(), ["S0203"], "{line}");
    }
    let bench = Bench::new();
    for (name, text) in [
        ("a", "1541408400000000"),
        ("b", "2018-11-05"),
        ("c", "a0701740605f"),
        ("d", "+4670"),
        // A row of the index: Region Kronoberg's, and the day after it.
        ("e", "\u{1}region-072018-11-05\u{1b}"),
    ] {
        bench.put(name, text.as_bytes());
    }
    assert_eq!(bench.codes(), [""; 0]);
}

#[test]
fn what_others_can_reach_is_found() {
    let bench = Bench::new();
    let path = bench.put("file", b"x");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
    let keys = bench.targets.keys.clone().expect("set");
    fs::write(keys.join("controllers/region-01.key"), [7; 32]).expect("ours");
    let open = keys.join("controllers/region-01.key");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o640)).expect("ours");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o755)).expect("ours");
    bench.put("region-01.key", &[7; 32]);
    std::os::unix::fs::symlink("/", path.with_file_name("way-out")).expect("ours");
    assert_eq!(bench.codes(), ["S0101", "S0102", "S0102", "S0104", "S0105"]);
    let first = quick(bench.targets.store.as_ref().expect("set"), &keys);
    assert!(first.is_some(), "a recorder doesn't start on that");
}

#[test]
fn keys_inside_the_store_are_found() {
    let mut bench = Bench::new();
    bench.targets.keys = bench.targets.store.as_ref().map(|store| store.join("keys"));
    fs::create_dir(bench.targets.keys.as_ref().expect("set")).expect("ours");
    assert!(bench.codes().contains(&"S0103"));
}

#[test]
fn a_place_that_is_not_there_is_no_clean_store() {
    let nowhere = |name: &str| Some(PathBuf::from("/nowhere").join(name));
    let targets = Targets {
        store: nowhere("store"),
        keys: nowhere("keys"),
        ..Targets::default()
    };
    let checked = check(None, &targets);
    let codes: Vec<_> = checked.findings.iter().map(|one| one.code).collect();
    assert_eq!((checked.files, codes), (0, vec!["S0108", "S0108"]));
}

/// A program that was killed while it exported left its note in the store, and open audio in another folder.
#[test]
fn half_an_export_in_another_folder_is_found() {
    let bench = Bench::new();
    let half = bench._place.path().join("a.wav.vaxel-part");
    fs::write(&half, "RIFF").expect("ours");
    let folder = bench.targets.store.as_ref().expect("set").join(".exports");
    fs::create_dir(&folder).expect("ours");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("ours");
    bench.put(".exports/1", half.to_string_lossy().as_bytes());
    let findings = check(None, &bench.targets).findings;
    let found: Vec<_> = findings
        .iter()
        .map(|one| (one.code, &*one.r#where))
        .collect();
    assert_eq!(found, [("S0109", &*half.to_string_lossy())]);
}

/// The server of 2019: no login, no TLS, a list of its files.
#[test]
fn an_open_server_is_found() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in server.incoming().flatten() {
            let mut stream = stream;
            let mut asked = [0; 512];
            let _ = std::io::Read::read(&mut stream, &mut asked);
            let page = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<h1>Index of /</h1><a href=\"+46701740605.wav\">";
            let _ = stream.write_all(page.as_bytes());
        }
    });
    let targets = Targets {
        listeners: vec![("Voice NAS".to_owned(), address)],
        ..Targets::default()
    };
    // The same of one that stands in no plan.
    let unknown = Targets {
        others: vec![address],
        ..Targets::default()
    };
    let found = check(None, &unknown).findings;
    assert!(found.iter().any(|one| one.code == "S0302"), "{found:?}");
    let checked = check(None, &targets);
    assert_eq!(checked.listeners, 1);
    assert!(
        checked.findings.iter().all(|one| one.code == "S0302"),
        "{checked:?}"
    );
    let said = &checked.findings[0].message;
    assert!(
        said.contains("a list of its files and telephone numbers"),
        "{said}"
    );
}

#[test]
fn a_listener_outside_this_machine_is_found() {
    let targets = Targets {
        // A port of TEST-NET-1 (RFC 5737): nobody answers.
        listeners: vec![(
            "switch".to_owned(),
            "192.0.2.1:9".parse().expect("an address"),
        )],
        ..Targets::default()
    };
    let checked = check(None, &targets);
    assert_eq!((checked.listeners, checked.findings[0].code), (0, "S0301"));
}

#[test]
fn secrets_and_folders_beside_the_store_are_looked_at() {
    let mut bench = Bench::new();
    let beside = bench._place.path().join("calls");
    crate::vault::folder::make_private(&beside).expect("ours");
    let secret = bench._place.path().join("api.key");
    fs::write(&secret, "secret").expect("ours");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("ours");
    bench.targets.secrets = vec![secret.clone(), "is-not-there".into()];
    bench.targets.beside = vec![beside.clone(), "neither".into()];
    let line =
        "{\"call\":7,\"controller\":\"region-01\",\"offered\":\"2018-11-05T09:00:00.206186Z\"}";
    let day = beside.join("2018-11-05.jsonl");
    crate::vault::folder::write_private(&day, line.as_bytes()).expect("ours");
    assert_eq!(bench.codes(), [""; 0]);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).expect("ours");
    crate::vault::folder::write_private(&day, NUMBER.as_bytes()).expect("ours");
    assert_eq!(bench.codes(), ["S0107", "S0203"]);
}

/// A listener outside loopback that answers by TLS only, and one by TLS that gives its list to anybody.
#[test]
fn by_tls_a_stranger_tries_as_well() {
    let certificate = transport::certificates::Certificate::for_loopback().expect("made");
    let config = certificate.server().expect("a config");
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("bound");
    thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let mut tls = tokio_rustls::rustls::ServerConnection::new(config.clone()).expect("TLS");
            let mut stream = tokio_rustls::rustls::Stream::new(&mut tls, &mut stream);
            let mut asked = [0; 512];
            let _ = std::io::Read::read(&mut stream, &mut asked);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n[{\"controller\":\"region-01\"}]");
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    let targets = Targets {
        listeners: vec![("recorder, API".to_owned(), address)],
        ..Targets::default()
    };
    let findings = check(None, &targets).findings;
    assert!(
        findings
            .iter()
            .any(|one| one.code == "S0302" && one.r#where.starts_with("https"))
    );
}

#[test]
fn the_server_of_2019_is_found_from_its_description() {
    let text = include_str!("../../../scenarios/voice-nas-2019.toml");
    let scenario =
        Scenario::from_toml(text, "voice-nas-2019.toml").unwrap_or_else(|error| panic!("{error}"));
    let checked = check(Some(&scenario), &Targets::default());
    let codes: Vec<_> = checked.findings.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["S0401", "S0402", "S0403", "S0404"]);
}

#[test]
fn every_address_that_a_recorder_listens_at_is_tried() {
    let text = include_str!("../../../scenarios/today.toml");
    let mut scenario =
        Scenario::from_toml(text, "today.toml").unwrap_or_else(|error| panic!("{error}"));
    let addresses = ["127.0.0.1:5071", "[::1]:5071"].map(|at| at.parse().expect("an address"));
    let recorder = scenario.recorder.as_mut().expect("it records");
    recorder.tls = Some(callcore::scenario::TlsSettings {
        addresses: addresses.into(),
        certificate: "chain.pem".into(),
        key: "key.pem".into(),
        peers_ca: None,
        trusted_names: Vec::new(),
    });
    let tried: Vec<_> = Targets::of(&scenario)
        .listeners
        .into_iter()
        .map(|one| one.1)
        .collect();
    assert!(addresses.iter().all(|at| tried.contains(at)), "{tried:?}");
}

#[test]
fn a_recorder_that_hears_calls_in_the_clear_from_afar_is_found() {
    let text = include_str!("../../../scenarios/today.toml");
    let scenario =
        Scenario::from_toml(text, "today.toml").unwrap_or_else(|error| panic!("{error}"));
    for (siprec, srtp, heard) in [
        ("sip:recorder@127.0.0.1:5070", None, false),
        ("sip:recorder@10.0.0.5:5070", None, true),
        ("sip:recorder@10.0.0.5:5070", Some(Srtp::Require), true),
        ("sips:recorder@10.0.0.5", None, false),
        ("sip:recorder@10.0.0.5;transport=tls", None, false),
        (
            "sip:recorder@10.0.0.5;transport=tls",
            Some(Srtp::Offer),
            true,
        ),
    ] {
        let mut scenario = scenario.clone();
        let recorder = scenario.recorder.as_mut().expect("it records");
        recorder.siprec = siprec.into();
        recorder.srtp = srtp;
        let checked = check(Some(&scenario), &Targets::default());
        let found = checked.findings.iter().any(|one| one.code == "S0405");
        assert_eq!(found, heard, "{siprec} {srtp:?}");
    }
}
