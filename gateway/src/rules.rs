//! Replacing the rules of a running switch: whole or not at all, and who did it is kept.
//!
//! Calls in progress keep the decision they got. Queues, agents, listeners and the recorder stay: they need a restart.

use std::{io::Write, path::PathBuf, sync::Arc};

use callcore::{
    scenario::{Scenario, ScenarioError},
    switch::ReplaceError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    audio::{AudioError, Library},
    listen::{ListenError, Own},
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
    /// An announcement can't be played.
    #[error(transparent)]
    Audio(#[from] AudioError),
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
    /// Puts another scenario's rules in force for new calls. `file` is its name for messages, `by` who asks.
    ///
    /// # Errors
    /// When anything in it is wrong; then nothing has changed.
    pub async fn replace(&self, text: &str, file: &str, by: &str) -> Result<Change, RulesError> {
        let scenario = Scenario::from_toml(text, file)?;
        let failed = scenario.unmet().len();
        if failed > 0 {
            return Err(RulesError::Expectations { failed });
        }
        let files = scenario
            .announcements
            .iter()
            .map(|announcement| &*announcement.file);
        let library = Library::load(&self.folder, files)?;
        let own = Own::of(&scenario, &self.folder)?;
        let (answer, answered) = oneshot::channel();
        let replacement = Replacement {
            scenario: Arc::new(scenario),
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
        let change = answered.await.map_err(|_| RulesError::Stopping)??;
        self.keep(&change);
        Ok(change)
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
