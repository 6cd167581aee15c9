//! One short file a subcommand.

pub(crate) mod backup;
pub(crate) mod demo;
pub(crate) mod erlang;
pub(crate) mod explain;
pub(crate) mod gallring;
pub(crate) mod gateway;
pub(crate) mod handover;
pub(crate) mod incident;
mod key_part;
pub(crate) mod load;
pub(crate) mod reconcile;
pub(crate) mod recorder;
pub(crate) mod recordings;
pub(crate) mod replay;
pub(crate) mod ropa;
pub(crate) mod routes;
pub(crate) mod shell;
pub(crate) mod signals;
pub(crate) mod simulate;
pub(crate) mod staff;
pub(crate) mod store;
pub(crate) mod tokens;
pub(crate) mod uttag;

use simulator::load::{LoadHandle, LoadReport};

use self::signals::EndWanted;
use crate::show;

/// Follows callers to their end, or until a person has seen enough: then they hang up.
pub(crate) async fn follow(
    load: LoadHandle,
    calls: Option<u64>,
    end: &mut EndWanted,
) -> LoadReport {
    let bar = show::bar(calls, "calls");
    let mut progress = load.progress.clone();
    let interrupted = loop {
        tokio::select! {
            () = end.wanted() => break true,
            changed = progress.changed() => {
                if changed.is_err() {
                    break false;
                }
                let seen = *progress.borrow_and_update();
                bar.set_position(seen.ended);
                bar.set_message(format!("{} in progress", seen.in_progress));
            }
        }
    };
    bar.finish_and_clear();
    if interrupted {
        load.stop().await
    } else {
        load.finish().await
    }
}
