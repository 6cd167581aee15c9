//! Why a command ends without doing what it was asked, said to a person.

use std::{
    error::Error,
    io::{self, ErrorKind},
    process::ExitCode,
};

use recorder::{RecorderError, store::StoreError, vault::VaultError};

use crate::show;

/// A sentence for a person, and the exit code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    said: Said,
    code: u8,
    taken: Option<Taken>,
}

/// What another program has, so that this one can't run beside it as it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The store, and which process.
    Store(String),
    /// An address and port.
    Address,
}

#[derive(Debug)]
enum Said {
    Sentence(String),
    Diagnostic(Box<miette::Report>),
}

impl Failure {
    /// Wrong usage or configuration: exit code 2.
    pub(crate) fn usage(said: impl Into<String>) -> Self {
        Self {
            said: Said::Sentence(said.into()),
            code: 2,
            taken: None,
        }
    }

    /// The same, with the lines of the file that are wrong.
    pub(crate) fn configuration(report: miette::Report) -> Self {
        Self {
            said: Said::Diagnostic(Box::new(report)),
            code: 2,
            taken: None,
        }
    }

    /// What was looked at isn't right: exit code 1.
    pub(crate) fn finding(said: impl Into<String>) -> Self {
        Self {
            said: Said::Sentence(said.into()),
            code: 1,
            taken: None,
        }
    }

    /// It could not run: exit code 3.
    pub(crate) fn run(said: impl Into<String>) -> Self {
        Self {
            said: Said::Sentence(said.into()),
            code: 3,
            taken: None,
        }
    }

    /// It could not start, perhaps since another program has what it needs: exit code 3.
    pub(crate) fn start(error: &(dyn Error + 'static)) -> Self {
        Self {
            taken: is_address_taken(error).then_some(Taken::Address),
            ..Self::run(error.to_string())
        }
    }

    /// The same of a recorder.
    pub(crate) fn recorder(error: &RecorderError) -> Self {
        let mut failure = Self::start(error);
        if let RecorderError::Vault(VaultError::InUse { pid, .. }) = error {
            failure.taken = Some(Taken::Store(pid.clone()));
        }
        failure
    }

    /// What another program has.
    pub(crate) const fn taken(&self) -> Option<&Taken> {
        self.taken.as_ref()
    }

    /// The same, with more to say to whoever reads it.
    pub(crate) fn adding(self, more: &str) -> Self {
        let said = match self.said {
            Said::Sentence(sentence) => Said::Sentence(format!("{sentence}. {more}")),
            diagnostic @ Said::Diagnostic(_) => diagnostic,
        };
        Self { said, ..self }
    }

    /// A file that somebody named: when it isn't there, or is a folder, that is wrong usage, and whatever else keeps it from being
    /// used is not.
    pub(crate) fn file(error: &std::io::Error, said: impl Into<String>) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
                Self::usage(said)
            }
            _ => Self::run(said),
        }
    }

    /// A store that was looked for where there is none: wrong usage as well.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it stands in map_err, which gives the error away"
    )]
    pub(crate) fn store(error: StoreError) -> Self {
        match error {
            StoreError::Vault(VaultError::NoStore { .. }) => Self::usage(error.to_string()),
            _ => Self::run(error.to_string()),
        }
    }

    /// Prints it and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self.said {
            Said::Sentence(sentence) => show::note(format_args!("vaxel: {sentence}")),
            Said::Diagnostic(report) => show::note_diagnostic(&report),
        }
        ExitCode::from(self.code)
    }
}

impl From<gateway::StartError> for Failure {
    fn from(error: gateway::StartError) -> Self {
        match error {
            gateway::StartError::Audio(_) | gateway::StartError::Recorder(_) => {
                Self::usage(error.to_string())
            }
            _ => Self::start(&error),
        }
    }
}

impl From<gateway::ShiftError> for Failure {
    fn from(error: gateway::ShiftError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<dashboards::ServeError> for Failure {
    fn from(error: dashboards::ServeError) -> Self {
        let mut failure = Self::start(&error);
        if matches!(error, dashboards::ServeError::PortInUse { .. }) {
            failure.taken = Some(Taken::Address);
        }
        failure
    }
}

fn is_address_taken(error: &(dyn Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == ErrorKind::AddrInUse)
}
