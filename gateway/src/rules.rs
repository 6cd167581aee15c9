//! Replacing the rules of a running switch: whole or not at all, and who did it is kept.
//!
//! Calls in progress keep the decision they got. Queues, agents, listeners and the recorder stay: they need a restart.

use std::{collections::BTreeSet, io::Write, path::PathBuf, sync::Arc};

use callcore::{
    check::{Finding, Severity, Subject, check},
    scenario::{Scenario, ScenarioError},
    switch::ReplaceError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::{
    audio::{AudioError, Library, built_in},
    clock::Clock,
    listen::{ListenError, Own},
    run::Options,
    shift::{ShiftError, shift},
};

/// Changes that are kept in memory; the file, when there is one, keeps all.
const CHANGES_MAX: usize = 1000;

/// A handle for replacing rules; cheap to clone.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(crate) inbox: mpsc::Sender<Replacement>,
    pub(crate) changes: watch::Sender<Arc<Vec<Change>>>,
    pub(crate) folder: PathBuf,
    pub(crate) history: Option<PathBuf>,
    /// What new rules are compared with.
    pub(crate) in_force: watch::Sender<Arc<Scenario>>,
    pub(crate) clock: Clock,
    /// By how much ports are moved.
    pub(crate) shift: u16,
    /// One after another: each is compared with what is in force when it comes there, and the changes are kept in their order.
    pub(crate) turn: Arc<Mutex<()>>,
}

/// A rule set on its way to the switch.
#[derive(Debug)]
pub(crate) struct Replacement {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) library: Library,
    /// Who we are to its providers.
    pub(crate) own: Own,
    /// What it was read from, for the journal.
    pub(crate) text: String,
    pub(crate) by: String,
    pub(crate) answer: oneshot::Sender<Result<Change, ReplaceError>>,
}

/// One replacement that took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When, by the switch's clock, RFC 3339 in Swedish time.
    pub at: String,
    /// Who asked for it.
    pub by: String,
    /// The digest of the table that went.
    pub from: String,
    /// The digest of the table that came.
    pub to: String,
}

/// Why rules were not replaced. The old ones stay in force.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The scenario is broken.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// One of its own `[[expect]]` tests fails.
    #[error("{failed} of the scenario's own expectations fail; run `vaxel routes test` on it")]
    Expectations {
        /// How many.
        failed: usize,
    },
    /// The law, or a caller without an answer, stands against it, and against the rules in force it didn't.
    #[error(
        "{count} errors that the rules in force don't have; first {first}. `vaxel routes check` tells all"
    )]
    Faults {
        /// How many.
        count: usize,
        /// The first, with its line.
        first: Box<str>,
    },
    /// An announcement can't be played.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A port can't be moved as those of the rules in force were.
    #[error(transparent)]
    Shift(#[from] ShiftError),
    /// A provider's credentials can't be used.
    #[error(transparent)]
    Credentials(#[from] ListenError),
    /// Queues or agents differ.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// The switch is stopping.
    #[error("the switch is stopping")]
    Stopping,
}

impl Rules {
    pub(crate) fn of(
        options: &Options,
        inbox: mpsc::Sender<Replacement>,
        in_force: Arc<Scenario>,
        clock: Clock,
    ) -> Self {
        Self {
            inbox,
            changes: watch::Sender::new(Arc::default()),
            folder: options.folder.clone(),
            history: options.history.clone(),
            in_force: watch::Sender::new(in_force),
            clock,
            shift: 0,
            turn: Arc::default(),
        }
    }

    /// The same for a switch whose own scenario's ports were moved ([`shift`]): those of each that comes are moved, too.
    #[must_use]
    pub fn shifted(self, by: u16) -> Self {
        Self { shift: by, ..self }
    }

    /// Puts another scenario's rules in force for new calls. `file` is its name for messages, `by` who asks.
    ///
    /// Whoever asks may go away meanwhile: what has been put in force is kept as a change all the same.
    ///
    /// # Errors
    /// When anything in it is wrong; then nothing has changed.
    pub async fn replace(&self, text: &str, file: &str, by: &str) -> Result<Change, RulesError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let mut scenario = Scenario::from_toml(text, file)?;
        shift(&mut scenario, self.shift)?;
        let failed = scenario.unmet().len();
        if failed > 0 {
            return Err(RulesError::Expectations { failed });
        }
        self.no_worse(&scenario)?;
        let files = scenario
            .announcements
            .iter()
            .map(|announcement| &*announcement.file);
        let library = Library::load(&self.folder, files)?;
        let own = Own::of(&scenario, &self.folder)?;
        let (answer, answered) = oneshot::channel();
        let scenario = Arc::new(scenario);
        let replacement = Replacement {
            scenario: Arc::clone(&scenario),
            library,
            own,
            text: text.to_owned(),
            by: by.to_owned(),
            answer,
        };
        self.inbox
            .send(replacement)
            .await
            .map_err(|_| RulesError::Stopping)?;
        let rules = self.clone();
        let kept = tokio::spawn(async move {
            let change = answered.await.map_err(|_| RulesError::Stopping)??;
            rules.in_force.send_replace(scenario);
            rules.keep(&change);
            drop(turn);
            Ok(change)
        });
        kept.await.map_err(|_| RulesError::Stopping)?
    }

    /// A switch that runs by rules with errors (a historical case, a demo) goes on with them; new ones are not let in unseen.
    fn no_worse(&self, scenario: &Scenario) -> Result<(), RulesError> {
        let known: BTreeSet<_> = {
            let in_force = Arc::clone(&self.in_force.borrow());
            self.errors(&in_force)
                .map(|error| name_of(&error))
                .collect()
        };
        let fresh: Vec<Finding> = self
            .errors(scenario)
            .filter(|error| !known.contains(&name_of(error)))
            .collect();
        match fresh.first() {
            None => Ok(()),
            Some(first) => Err(RulesError::Faults {
                count: fresh.len(),
                first: format!(
                    "{}:{}: {} {}",
                    first.file, first.line, first.code, first.message
                )
                .into(),
            }),
        }
    }

    fn errors(&self, scenario: &Scenario) -> impl Iterator<Item = Finding> + use<> {
        let has_audio = |file: &str| self.folder.join(file).is_file() || built_in(file).is_ok();
        let subject = Subject {
            scenario,
            has_audio: &has_audio,
        };
        let today = self.clock.now().in_sweden().date();
        let report = check(&[subject], today);
        let findings = report.findings.into_iter();
        findings.filter(|finding| finding.severity == Severity::Error)
    }

    /// The replacements so far, oldest first.
    pub fn changes(&self) -> Arc<Vec<Change>> {
        Arc::clone(&self.changes.borrow())
    }

    fn keep(&self, change: &Change) {
        tracing::warn!(
            by = change.by,
            from = change.from,
            to = change.to,
            "rules replaced"
        );
        self.changes.send_modify(|changes| {
            let changes = Arc::make_mut(changes);
            if changes.len() == CHANGES_MAX {
                changes.remove(0);
            }
            changes.push(change.clone());
        });
        if let Some(file) = &self.history
            && let Err(error) = append(file, change)
        {
            tracing::error!(%error, "the history of rules can't be written");
        }
    }
}

/// What makes two errors the same: of what kind, and who has to answer for it. The message names routes, and those change.
fn name_of(error: &Finding) -> (&'static str, Box<str>) {
    (error.code, error.actor.clone())
}

fn append(file: &std::path::Path, change: &Change) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut line = serde_json::to_vec(change).map_err(std::io::Error::other)?;
    line.push(b'\n');
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(&line)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use tokio::time::timeout;

    use super::*;

    const TEXT: &str = include_str!("../../scenarios/imy-2019.toml");

    /// By the rules of [`TEXT`], and where others come to.
    fn rules() -> (Rules, mpsc::Receiver<Replacement>) {
        let first = Scenario::from_toml(TEXT, "imy-2019.toml").expect("built in");
        let (inbox, replacements) = mpsc::channel(1);
        let options = Options::for_file(Path::new("../scenarios/imy-2019.toml"));
        let rules = Rules::of(&options, inbox, Arc::new(first), Clock::start(None));
        (rules, replacements)
    }

    /// A browser that is closed, a connection that is cut: the rules are in force by then.
    #[tokio::test]
    async fn a_change_is_kept_also_when_who_asked_for_it_has_gone() {
        let (rules, mut replacements) = rules();
        let mut asked = Box::pin(rules.replace(TEXT, "imy-2019.toml", "a test"));
        let taken = tokio::select! {
            _ = &mut asked => panic!("nobody has answered"),
            taken = replacements.recv() => taken.expect("a replacement"),
        };
        drop(asked);
        let change = Change {
            at: String::new(),
            by: taken.by,
            from: "a".to_owned(),
            to: "b".to_owned(),
        };
        taken.answer.send(Ok(change)).expect("it is waited for");
        let mut kept = rules.changes.subscribe();
        let kept = kept.wait_for(|changes| changes.len() == 1);
        let kept = timeout(Duration::from_secs(20), kept).await;
        assert_eq!(kept.expect("at once").expect("it is there")[0].by, "a test");
    }

    /// A provider that was reached at a moved port isn't called at another's after its rules were read again.
    #[tokio::test]
    async fn rules_that_come_later_are_shifted_as_the_first_were() {
        let (rules, mut replacements) = rules();
        let rules = rules.shifted(1000);
        let asked = rules.replace(TEXT, "imy-2019.toml", "a test");
        let taken = async {
            let taken = replacements.recv().await.expect("a replacement");
            taken.scenario.providers[0].targets[0].clone()
        };
        // Nobody answers: the switch may be gone by then.
        let (asked, target) = tokio::join!(asked, taken);
        assert_eq!(&*target, "sip:1177@127.0.0.1:6080");
        assert!(matches!(asked, Err(RulesError::Stopping)));
    }
}
