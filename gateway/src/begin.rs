//! What a switch needs before it takes calls: clips, books, a journal, and what the program before it left.

use std::path::PathBuf;

use callcore::{scenario::Scenario, time::Time};

use transport::{BindError, handed::Inherited};

use crate::{
    audio::{AudioError, Library},
    calls::Calls,
    estate::Estate,
    exchange::RecorderLink,
    journal::Journal,
    ledger::Ledger,
    listen::{self, ListenError, Own},
    observer::Observer,
    run::{Gateway, Options},
};

/// Why a switch can't start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The SIP address is taken or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A certificate or the credentials can't be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// An announcement can't be played.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The recorder can't be reached by what the scenario says.
    #[error(
        "siprec = {0:?} under [recorder] has no IP address: write it like sip:recorder@127.0.0.1:5070"
    )]
    Recorder(Box<str>),
    /// The folder of calls can't be made.
    #[error("the calls can't be written to {}: {source}", folder.display())]
    Calls {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The boundary ledger can't be opened.
    #[error("the boundary ledger {} can't be written: {source}", file.display())]
    Ledger {
        /// Its file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal can't be begun.
    #[error("the journal {} can't be begun: {source}; name a new file", file.display())]
    Journal {
        /// Its file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The threads that carry audio can't be started.
    #[error("no audio: {0}. Raise the limits of open files and threads for this process")]
    AudioThreads(#[source] std::io::Error),
    /// The thread that takes calls can't be started.
    #[error(
        "no thread to take calls: {0}. Raise the limits of open files and threads for this process"
    )]
    Thread(#[source] std::io::Error),
    /// The listening sockets can't be kept for a restart.
    #[error(
        "no room for the listening sockets: {0}. Raise the limit of open files for this process"
    )]
    Sockets(#[source] std::io::Error),
    /// A metric's name is taken twice: a fault of ours.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Gateway {
    /// Whether a switch would start by that scenario, as far as its files say: its clips, certificates and credentials. Nothing is opened,
    /// so an address that is another's shows only then.
    ///
    /// # Errors
    /// The first that [`Gateway::start`] would stumble over.
    pub fn would_start(scenario: &Scenario, options: &Options) -> Result<(), StartError> {
        let folder = &options.folder;
        library_of(scenario, options)?;
        recorder_of(scenario)?;
        listen::credentials_of(scenario, folder)?;
        listen::listen_of(scenario, folder, &Inherited::default())?;
        Own::of(scenario, folder)?;
        Ok(())
    }
}

/// What the program before this one left; `None` when this one is the first in its process. Else why it can't be read: then
/// this one starts without.
pub(crate) fn left_behind(options: &Options) -> Option<Result<Estate, String>> {
    let letter = options.inherited.letter()?;
    let read = letter.map_err(|error| error.to_string());
    Some(read.and_then(|text| Estate::read(&text).map_err(|error| error.to_string())))
}

/// The clips that the scenario names.
pub(crate) fn library_of(scenario: &Scenario, options: &Options) -> Result<Library, AudioError> {
    let files = scenario
        .announcements
        .iter()
        .map(|announcement| &*announcement.file);
    Library::load(&options.folder, files)
}

/// What is written down of calls, when it is asked for: the boundary ledger, and the calls for reconciliation.
pub(crate) fn begin_books(
    observer: &mut Observer,
    scenario: &Scenario,
    options: &Options,
    now: Time,
) -> Result<(), StartError> {
    if let Some(file) = &options.ledger {
        let ledger = Ledger::open(file, scenario, now).map_err(|source| StartError::Ledger {
            file: file.clone(),
            source,
        });
        observer.keep_ledger(ledger?);
    }
    if let Some(folder) = &options.calls {
        let calls = Calls::open(folder).map_err(|source| StartError::Calls {
            folder: folder.clone(),
            source,
        });
        observer.keep_calls(calls?);
    }
    Ok(())
}

/// The last of what can fail at a start: a switch that doesn't start leaves no file, and may have that name the next time.
pub(crate) fn begin_journal(
    scenario: &Scenario,
    options: &Options,
    observer: &Observer,
    anew: bool,
) -> Result<Option<Journal>, StartError> {
    let Some(to) = &options.journal else {
        return Ok(None);
    };
    let failures = observer.metrics().watch.journal_failures.clone();
    let begun = if anew {
        Journal::create_beside(to, scenario, &failures)
    } else {
        Journal::create(to, scenario, failures)
    };
    begun.map(Some).map_err(|source| StartError::Journal {
        file: to.file.clone(),
        source,
    })
}

pub(crate) fn recorder_of(scenario: &Scenario) -> Result<Option<RecorderLink>, StartError> {
    let Some(settings) = &scenario.recorder else {
        return Ok(None);
    };
    let link = RecorderLink::new(settings);
    link.map(Some)
        .ok_or_else(|| StartError::Recorder(settings.siprec.clone()))
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, sync::Arc};

    use super::*;
    use crate::journal::JournalTo;

    const QUEUE: &str = r#"
queue = [{ name = "sormland", region = "04", controller = "region-04", agents = [{ simulated = 1 }] }]
route = [{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }]
"#;

    /// Whoever mends what was wrong starts it by the same command: a file that is there would refuse it.
    #[tokio::test]
    async fn a_switch_that_does_not_start_leaves_no_journal() {
        let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let mut scenario = crate::exchange::scenario_of_tests(QUEUE);
        scenario.listen.sip = vec![taken.local_addr().expect("bound")];
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("run.journal");
        let mut options = Options::for_file(&folder.path().join("bench.toml"));
        options.journal = Some(JournalTo {
            file: file.clone(),
            text: String::new(),
        });
        let started = Gateway::start(Arc::new(scenario), options).await;
        assert!(matches!(started, Err(StartError::Bind(_))));
        assert!(!file.exists());
    }
}
