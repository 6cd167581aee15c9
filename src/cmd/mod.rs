//! One short file a subcommand.

pub(crate) mod demo;
pub(crate) mod gateway;
pub(crate) mod load;
pub(crate) mod recorder;
pub(crate) mod recordings;
pub(crate) mod simulate;

/// Waits until a person or a supervisor wants the program to end.
pub(crate) async fn end_wanted() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
