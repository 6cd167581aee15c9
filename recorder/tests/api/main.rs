//! The recorder's API: who reaches what, by which token and for what purpose; and what nobody reaches.

mod asking;
mod duties;
mod http;
mod listener;
mod reading;
#[path = "../stored/mod.rs"]
mod stored;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use callcore::scenario::{RecorderSettings, Scenario};
use jiff::{SignedDuration, Timestamp};
use recorder::{
    Options, Recorder, RecorderHandle, access,
    api::{
        self, ServeError, Server,
        tokens::{self, Role},
    },
    place::IndexPlace,
};

use self::http::{Answer, ask};
use self::stored::Bench;

const OURS: &str = "region-03";
const OTHERS: &str = "region-12";
const WHY: (&str, &str) = ("X-Purpose", "a complaint");

struct Api {
    bench: Bench,
    _recorder: RecorderHandle,
    server: Server,
}

fn scenario(settings: RecorderSettings) -> Scenario {
    let text = include_str!("../../../scenarios/imy-2019.toml");
    let mut scenario =
        Scenario::from_toml(text, "imy-2019.toml").unwrap_or_else(|error| panic!("{error}"));
    scenario.recorder = Some(settings);
    scenario
}

fn settings(bench: &Bench) -> RecorderSettings {
    let text = |path: PathBuf| path.to_str().expect("UTF-8").into();
    RecorderSettings {
        siprec: "sip:recorder@127.0.0.1:0".into(),
        store: text(bench.vault.store().to_owned()),
        keys: text(bench.vault.keys().to_owned()),
        api: "127.0.0.1:0".into(),
        calls: Some(text(bench.place.path().join("calls"))),
        index: match &bench.vault.place().index {
            IndexPlace::Postgres(url) => Some(url.as_str().into()),
            _ => None,
        },
        ..RecorderSettings::default()
    }
}

async fn served(
    bench: &Bench,
    adapt: impl FnOnce(&mut RecorderSettings),
) -> (RecorderHandle, Result<Server, ServeError>) {
    let mut settings = settings(bench);
    let recorder = Recorder::start(&settings, Options::new([OURS.to_owned()]))
        .await
        .expect("starts");
    adapt(&mut settings);
    let server = api::serve(api::Options {
        scenario: Arc::new(scenario(settings)),
        monitor: recorder.monitor(),
        ahead: SignedDuration::ZERO,
    });
    let server = server.await;
    (recorder, server)
}

impl Api {
    async fn over(bench: Bench) -> Self {
        let (_recorder, server) = served(&bench, |_| {}).await;
        let server = server.unwrap_or_else(|error| panic!("{error}"));
        Self {
            bench,
            _recorder,
            server,
        }
    }

    fn token(&self, role: Role, organisation: &str) -> String {
        token(&self.bench, role, organisation)
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        ask(self.addr(), path, &[("Authorization", token), WHY]).await
    }

    async fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8(ask(self.addr(), "/metrics", &[]).await.body).expect("text");
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    fn log(&self, controller: &str) -> Vec<(String, String, String)> {
        let mut told = Vec::new();
        access::read(&self.bench.vault, controller, |_, one| {
            assert!(one.who.starts_with("Anna (token "), "{}", one.who);
            told.push((one.action, one.object, one.purpose));
        })
        .expect("read");
        told
    }
}

fn token(bench: &Bench, role: Role, organisation: &str) -> String {
    let now = Timestamp::now();
    let until = now + SignedDuration::from_hours(24);
    let made = tokens::create(bench.vault.keys(), "Anna", organisation, role, now, until);
    format!("Bearer {}", made.expect("made").secret.reveal())
}

/// Ours three times, theirs twice.
fn filled() -> Bench {
    let bench = Bench::new();
    for call in 0..3 {
        bench.record(OURS, call);
    }
    for call in 10..12 {
        bench.record(OTHERS, call);
    }
    bench
}

fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let rows = json["recordings"].as_array().expect("rows");
    let id = |row: &serde_json::Value| row["id"].as_str().expect("an id").to_owned();
    rows.iter().map(id).collect()
}
