//! One operator's side: recorder, switch and web page of one scenario, started and stopped together.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use callcore::scenario::Scenario;
use dashboards::{App, Server};
use gateway::{Gateway, JournalTo, Options, view::Totals};
use jiff::{SignedDuration, Timestamp};
use recorder::{Recorder, RecorderError, RecorderHandle, api};

use crate::{failure::Failure, files::Loaded};

/// A running operator.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) gateway: Gateway,
    pub(crate) recorder: Option<RecorderHandle>,
    web: Server,
    api: Option<api::Server>,
}

impl Operator {
    /// Starts the recorder first, so that the first call finds it.
    pub(crate) async fn start(
        scenario: Arc<Scenario>,
        mut options: Options,
    ) -> Result<Self, Failure> {
        let (recorder, api) = match &scenario.recorder {
            Some(settings) => {
                // The switch says which calls there were where the recorder looks.
                let calls = settings.calls.as_deref().map(PathBuf::from);
                options.calls = options.calls.or(calls);
                let recorder = start_recorder(&scenario).await?;
                let api = serve_recorder(&scenario, &recorder, options.at).await?;
                (Some(recorder), Some(api))
            }
            None => (None, None),
        };
        let web = scenario.listen.web;
        let title = scenario.org(scenario.operator).name.to_string();
        let gateway = Gateway::start(scenario, options).await?;
        let app = App {
            admin: None,
            title,
            gateway: gateway.monitor().clone(),
            recorder: recorder.as_ref().map(|recorder| recorder.monitor()),
        };
        let web = dashboards::serve(web, app).await?;
        Ok(Self {
            gateway,
            recorder,
            web,
            api,
        })
    }

    /// Where its page is.
    pub(crate) fn page(&self) -> String {
        format!("http://{}", self.web.addr())
    }

    /// Ends its calls by BYE, then closes its recordings.
    pub(crate) async fn stop(self) -> Totals {
        let totals = self.gateway.stop().await;
        if let Some(recorder) = self.recorder {
            recorder.stop().await;
        }
        self.web.stop().await;
        if let Some(api) = self.api {
            api.stop().await;
        }
        totals
    }
}

/// The recorder of a scenario, for every controller that its queues record for.
pub(crate) async fn start_recorder(scenario: &Scenario) -> Result<RecorderHandle, Failure> {
    let settings = scenario.recorder.as_ref().ok_or_else(|| {
        Failure::usage("the scenario has no [recorder]: add one with siprec, store and keys")
    })?;
    Recorder::start(settings, recorder::Options::of(scenario))
        .await
        .map_err(|error| match error {
            // What the scenario says can't be, on any machine.
            RecorderError::Address
            | RecorderError::NoCertificate
            | RecorderError::Anybody { .. }
            | RecorderError::Place(_) => Failure::usage(error.to_string()),
            _ => Failure::recorder(&error),
        })
}

/// The recorder's API, by a clock that shows `at` now.
pub(crate) async fn serve_recorder(
    scenario: &Arc<Scenario>,
    recorder: &RecorderHandle,
    at: Option<Timestamp>,
) -> Result<api::Server, Failure> {
    let ahead = at.map(|at| at.duration_since(Timestamp::now()));
    let options = api::Options {
        scenario: Arc::clone(scenario),
        monitor: recorder.monitor(),
        ahead: ahead.unwrap_or(SignedDuration::ZERO),
    };
    api::serve(options).await.map_err(|error| match error {
        api::ServeError::Address(_) => Failure::usage(error.to_string()),
        _ => Failure::start(&error),
    })
}

/// Where a switch keeps its journal, when the command line asks for one.
pub(crate) fn journal(file: Option<PathBuf>, loaded: &Loaded) -> Option<JournalTo> {
    Some(JournalTo {
        file: file?,
        text: loaded.text.clone(),
    })
}

/// Options of a switch from what the command line says.
pub(crate) fn options(file: &Path, at: Option<&str>, seed: u64) -> Result<Options, Failure> {
    let mut options = Options::for_file(file);
    options.at = at.map(crate::files::moment).transpose()?;
    options.seed = seed;
    Ok(options)
}
