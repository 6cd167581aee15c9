//! Made-up views of a switch: the 290 kommuner are real, nothing else is. The tests use them too.

use std::{collections::BTreeMap, sync::Arc};

use dashboards::App;
use gateway::view::{
    Arrival, CallView, Fixed, KommunView, LastAnswer, Live, Party, ProviderView, QueueView,
    TargetView, Totals,
};
use recorder::monitor::{Figures, Stored};
use tokio::sync::{broadcast, watch};

const KOMMUNER: &str = include_str!("../../../data/kommuner.csv");
const PROVIDER: &str = "medhelp";
/// Stockholm, Sörmland and Värmland, until late in 2019.
pub(crate) const LEAVING_2019: [&str; 3] = ["01", "04", "17"];
/// Sörmland and Värmland have their own service.
pub(crate) const LEAVING_2020: [&str; 1] = ["01"];

/// A page with the senders that feed it.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) fixed: watch::Sender<Arc<Fixed>>,
    pub(crate) live: watch::Sender<Arc<Live>>,
    pub(crate) gateway_ready: watch::Sender<bool>,
    pub(crate) figures: watch::Sender<Arc<Figures>>,
    pub(crate) recorder_ready: watch::Sender<bool>,
}

/// A switch that is starting and has had no call.
pub(crate) fn stage() -> Stage {
    let (fixed, fixed_seen) = watch::channel(Arc::new(fixed(&LEAVING_2019)));
    let (live, live_seen) = watch::channel(Arc::new(idle("2026-11-22T08:00:00+01:00")));
    let (gateway_ready, gateway_ready_seen) = watch::channel(false);
    let (figures, figures_seen) = watch::channel(Arc::new(Figures::default()));
    let (recorder_ready, recorder_ready_seen) = watch::channel(false);
    let gateway = gateway::view::Monitor {
        fixed: fixed_seen,
        live: live_seen,
        arrivals: broadcast::Sender::new(256),
        metrics: prometheus::Registry::new(),
        ready: gateway_ready_seen,
        web_sockets: None,
    };
    let recorder = recorder::monitor::Monitor::new(
        figures_seen,
        prometheus::Registry::new(),
        recorder_ready_seen,
    );
    let app = App {
        admin: None,
        title: "Vaxel demo".to_owned(),
        gateway,
        recorder: Some(recorder),
    };
    Stage {
        app,
        fixed,
        live,
        gateway_ready,
        figures,
        recorder_ready,
    }
}

pub(crate) fn fixed(leaving: &[&str]) -> Fixed {
    let kommuner: Vec<KommunView> = KOMMUNER
        .lines()
        .skip(1)
        .filter_map(|line| kommun(line, leaving))
        .collect();
    let mut organisations = vec![
        party("inera", "Inera AB", "processor"),
        party(PROVIDER, "MedHelp AB", "care-provider"),
        party("medicall", "MediCall Co Ltd", "sub-processor"),
    ];
    let regions: BTreeMap<&str, &str> = kommuner
        .iter()
        .map(|it| (it.region.as_str(), it.region_name))
        .collect();
    organisations.extend(
        regions
            .iter()
            .map(|(id, name)| party(&format!("region-{id}"), name, "region")),
    );
    Fixed {
        sip: "127.0.0.1:5060".to_owned(),
        scenario: "imy-2019.toml".to_owned(),
        digest: "c0ffee5eed".repeat(6),
        operator: party("inera", "Inera AB", "processor"),
        organisations,
        kommuner,
    }
}

fn party(id: &str, name: &str, kind: &'static str) -> Party {
    Party {
        id: id.to_owned(),
        name: name.to_owned(),
        kind,
    }
}

/// `kommun_id,name,lan_code,region,...`
fn kommun(line: &'static str, leaving: &[&str]) -> Option<KommunView> {
    let mut cells = line.split(',');
    let (id, name, region, region_name) =
        (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    let external = leaving.contains(&region);
    Some(KommunView {
        id: id.to_owned(),
        name,
        region: region.to_owned(),
        region_name,
        route: if external {
            "medhelp-2019".to_owned()
        } else {
            format!("own-{region}")
        },
        answers: if external {
            PROVIDER.to_owned()
        } else {
            format!("region-{region}")
        },
        external,
        recorded: !external,
    })
}

pub(crate) fn idle(clock: &str) -> Live {
    Live {
        clock: clock.to_owned(),
        takes_calls: true,
        ..Live::default()
    }
}

/// Chance for a preview: a linear congruential generator, the same at every start.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % end.max(1)
    }
}

pub(crate) fn call(id: u64, kommun: &KommunView, chance: &mut Chance) -> CallView {
    let own = [
        ("announcement", "no"),
        ("waiting", "no"),
        ("ringing", "no"),
        ("talking", "recording"),
        ("talking", "recording"),
    ];
    let out = [("leaving", "never"), ("external", "never")];
    let (state, recording) = if kommun.external {
        out[chance.below(out.len())]
    } else {
        own[chance.below(own.len())]
    };
    CallView {
        id,
        kommun: kommun.id.clone(),
        origin: "known",
        route: kommun.route.clone(),
        state,
        age_s: chance.below(900) as u64,
        recording: if recording == "recording" && chance.below(30) == 0 {
            "gap"
        } else {
            recording
        },
        controller: if matches!(state, "talking" | "external") {
            kommun.answers.clone()
        } else {
            String::new()
        },
    }
}

pub(crate) fn arrival(call: u64, kommun: &KommunView) -> Arrival {
    Arrival {
        call,
        kommun: kommun.id.clone(),
        route: kommun.route.clone(),
        answers: kommun.answers.clone(),
        external: kommun.external,
    }
}

/// The state with these calls, and figures that grow with `offered`.
pub(crate) fn busy(
    clock: &str,
    fixed: &Fixed,
    calls: Vec<CallView>,
    offered: u64,
    chance: &mut Chance,
) -> Live {
    let regions: BTreeMap<&str, &str> = own_regions(fixed);
    let queues = regions.keys().map(|region| queue(region, chance)).collect();
    let now = calls.len() as u64;
    let ended = offered.saturating_sub(now);
    let abandoned = ended / 11;
    Live {
        clock: clock.to_owned(),
        takes_calls: true,
        recorder_up: Some(true),
        recorder_why: None,
        calls_now: calls.len(),
        calls,
        queues,
        providers: vec![
            provider(PROVIDER, &["up"]),
            provider("reserve", &["up", "down", "unknown"]),
        ],
        totals: Totals {
            offered,
            completed: ended - abandoned,
            failed: abandoned,
            by_route: BTreeMap::from([("medhelp-2019".to_owned(), offered / 3)]),
            recorded: regions
                .keys()
                .map(|it| (format!("region-{it}"), ended / 24))
                .collect(),
            outcomes: BTreeMap::from([
                ("completed", ended - ended / 3 - abandoned),
                ("handed_over", ended / 3),
                ("abandoned", abandoned),
            ]),
            recording_gaps: 1,
            ..Totals::default()
        },
    }
}

fn own_regions(fixed: &Fixed) -> BTreeMap<&str, &str> {
    fixed
        .kommuner
        .iter()
        .filter(|it| !it.external)
        .map(|it| (it.region.as_str(), it.region_name))
        .collect()
}

fn provider(name: &str, states: &[&'static str]) -> ProviderView {
    let at = |time: &str| format!("2019-02-18T{time}+01:00");
    let target = |(target, &state): (u16, &&'static str)| TargetView {
        target,
        state,
        since: at("13:57:20"),
        why: (state == "down").then(|| "no_answer".to_owned()),
        last_answer: (state != "unknown").then(|| LastAnswer {
            status: 200,
            at: at("13:56:50"),
        }),
    };
    ProviderView {
        name: name.to_owned(),
        targets: (0..).zip(states).map(target).collect(),
    }
}

fn queue(region: &str, chance: &mut Chance) -> QueueView {
    let waiting = chance.below(9).saturating_sub(3);
    QueueView {
        name: format!("region-{region}"),
        controller: format!("region-{region}"),
        waiting,
        longest_wait_s: if waiting == 0 {
            0
        } else {
            20 + chance.below(400) as u64
        },
        promised: waiting.saturating_sub(2),
        expected_wait_s: Some(60 * waiting as u64),
        agents_ready: if waiting == 0 { 1 + chance.below(5) } else { 0 },
        agents_busy: 3 + chance.below(9),
    }
}

pub(crate) fn stored(fixed: &Fixed, offered: u64) -> Figures {
    let regions = own_regions(fixed);
    let controllers = regions.keys().enumerate().map(|(n, region)| {
        let recordings = offered / (n as u64 + 3);
        let next_due = if n % 3 == 0 {
            String::new()
        } else {
            "2028-11-22".to_owned()
        };
        (
            format!("region-{region}"),
            Stored {
                recordings,
                bytes: recordings * 2_900_000,
                seconds: recordings as f64 * 361.5,
                next_due,
            },
        )
    });
    Figures {
        open: 7,
        controllers: controllers.collect(),
        refused: BTreeMap::new(),
    }
}
