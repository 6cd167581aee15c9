//! Another rule set, for new calls.

use std::sync::Arc;

use callcore::{scenario::Scenario, switch::ReplaceError};

use super::{Exchange, silence_max};
use crate::{
    audio::Library,
    clock::swedish,
    rules::{Change, Replacement},
};

impl Exchange {
    /// Puts another rule set in force, and tells whoever asked; who may have gone.
    pub(crate) fn replace_and_answer(&mut self, replacement: Replacement) {
        let Replacement {
            scenario,
            library,
            own,
            text,
            by,
            answer,
        } = replacement;
        let change = self.replace(scenario, library, &text, by);
        if change.is_ok() {
            self.own = self.own.with_those_of(own);
        }
        let _ = answer.send(change);
    }

    /// Puts another rule set in force for new calls.
    fn replace(
        &mut self,
        scenario: Arc<Scenario>,
        library: Library,
        text: &str,
        by: String,
    ) -> Result<Change, ReplaceError> {
        let from = self.scenario.routes.digest().to_string();
        self.switch.replace(Arc::clone(&scenario))?;
        if let Some(journal) = &mut self.journal {
            journal.rules(self.clock.now(), text);
        }
        self.library.extend(library);
        self.observer
            .replace(Arc::clone(&scenario), self.clock.now());
        let to = scenario.routes.digest().to_string();
        self.media.silence_max = silence_max(&scenario);
        self.names.want(&scenario);
        self.scenario = scenario;
        self.watch_providers();
        Ok(Change {
            at: swedish(self.clock.now()),
            by,
            from,
            to,
        })
    }
}
