//! `/events`: server-sent events that keep the page current.
//!
//! Each stream begins with `app`, `fixed`, `recordings` and `duties` (when there is a recorder) and `live`, whole; each
//! of the last four comes again, whole, when it changes. `arrival` comes for each call as it is routed; arrivals are a
//! decoration, so a slow browser and a very busy switch lose some, and `resync` says so. The numbers are in `live`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use gateway::view::Arrival;
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch},
    time::{sleep, timeout},
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use crate::{App, server::told};

/// Open streams at once: a control room has tens of browsers, and each costs a task and a small buffer.
pub(crate) const STREAMS_MAX: usize = 200;
/// Four a second is as fast as a person can read figures.
const LIVE_EVERY: Duration = Duration::from_millis(250);
/// Between two `live`: more rings than this on the map at once can't be told apart.
const ARRIVALS_PER_LIVE_MAX: usize = 50;
/// Events waiting for one browser: the rest wait, renewed, in the watch channels.
const WAITING_MAX: usize = 16;
/// A browser that takes nothing for so long is gone, or asleep; it comes back by itself when it wakes.
const SEND_WAIT_MAX: Duration = Duration::from_secs(30);

pub(crate) fn router(app: &App, stopped: watch::Receiver<bool>) -> Router {
    let title = serde_json::json!({ "title": app.title, "version": env!("CARGO_PKG_VERSION") });
    let sources = Sources {
        app: title.to_string().into(),
        fixed: texts(app.gateway.fixed.clone()),
        recordings: app.recorder.as_ref().map(|it| texts(it.figures.clone())),
        duties: app.recorder.as_ref().map(|it| texts(it.duties())),
        live: texts(app.gateway.live.clone()),
        arrivals: app.gateway.arrivals.clone(),
        places: Arc::new(Semaphore::new(STREAMS_MAX)),
        stopped,
    };
    Router::new()
        .route("/events", get(events))
        .with_state(sources)
}

#[derive(Clone)]
struct Sources {
    app: Arc<str>,
    fixed: Texts,
    recordings: Option<Texts>,
    duties: Option<Texts>,
    live: Texts,
    arrivals: broadcast::Sender<Arrival>,
    places: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

/// The newest JSON of something.
type Texts = watch::Receiver<Arc<str>>;

/// Writes each new value as JSON once for all streams, four times a second at most.
fn texts<T: Serialize + Send + Sync + 'static>(mut source: watch::Receiver<Arc<T>>) -> Texts {
    let (tx, rx) = watch::channel(json(&**source.borrow_and_update()));
    tokio::spawn(async move {
        let renew = async {
            while source.changed().await.is_ok() {
                tx.send_replace(json(&**source.borrow_and_update()));
                sleep(LIVE_EVERY).await;
            }
            // The switch has ended: its last state stays on the page for as long as the server runs.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = renew => {}
            () = tx.closed() => {}
        }
    });
    rx
}

fn json(value: &impl Serialize) -> Arc<str> {
    serde_json::to_string(value)
        .unwrap_or_else(|error| {
            tracing::error!(%error, "a view can't be written as JSON");
            "null".to_owned()
        })
        .into()
}

async fn events(State(sources): State<Sources>) -> Response {
    let Ok(place) = Arc::clone(&sources.places).try_acquire_owned() else {
        let text = "Too many pages are open on this switch. Close some and try again.\n";
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "10")],
            text,
        )
            .into_response();
    };
    let (tx, rx) = mpsc::channel(WAITING_MAX);
    tokio::spawn(feed(sources, tx, place));
    Sse::new(ReceiverStream::new(rx).map(Ok::<_, Infallible>))
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// Feeds one browser until it goes, falls asleep, or the server stops; then its place is free.
async fn feed(sources: Sources, tx: mpsc::Sender<Event>, _place: OwnedSemaphorePermit) {
    let stopped = told(sources.stopped.clone());
    tokio::select! {
        () = stopped => {}
        () = tx.closed() => {}
        () = send_all(sources, &tx) => {}
    }
}

async fn send_all(sources: Sources, tx: &mpsc::Sender<Event>) {
    let Sources {
        app,
        mut fixed,
        mut recordings,
        mut duties,
        mut live,
        arrivals,
        ..
    } = sources;
    let mut arrivals = arrivals.subscribe();
    let mut arrivals_left = ARRIVALS_PER_LIVE_MAX;
    fixed.mark_changed();
    live.mark_changed();
    for texts in [&mut recordings, &mut duties].into_iter().flatten() {
        texts.mark_changed();
    }
    let mut event = Event::default().event("app").data(app);
    while matches!(timeout(SEND_WAIT_MAX, tx.send(event)).await, Ok(Ok(()))) {
        event = tokio::select! {
            biased;
            Some(text) = newest(&mut fixed) => Event::default().event("fixed").data(text),
            Some(text) = newest_of(&mut recordings) => Event::default().event("recordings").data(text),
            Some(text) = newest_of(&mut duties) => Event::default().event("duties").data(text),
            Some(text) = newest(&mut live) => {
                arrivals_left = ARRIVALS_PER_LIVE_MAX;
                Event::default().event("live").data(text)
            }
            event = next_arrival(&mut arrivals, &mut arrivals_left) => event,
        };
    }
}

async fn newest(texts: &mut Texts) -> Option<Arc<str>> {
    texts.changed().await.ok()?;
    Some(Arc::clone(&texts.borrow_and_update()))
}

async fn newest_of(texts: &mut Option<Texts>) -> Option<Arc<str>> {
    newest(texts.as_mut()?).await
}

/// The next arrival that fits, or `resync` when some were lost because this browser is slow.
async fn next_arrival(arrivals: &mut broadcast::Receiver<Arrival>, left: &mut usize) -> Event {
    loop {
        match arrivals.recv().await {
            Ok(arrival) if *left > 0 => {
                *left -= 1;
                return Event::default().event("arrival").data(json(&arrival));
            }
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                *arrivals = arrivals.resubscribe();
                return Event::default()
                    .event("resync")
                    .data(format!("{{\"missed\":{missed}}}"));
            }
            // Never while the gateway's monitor, which holds a sender, is in our hands.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(call: u64) -> Arrival {
        Arrival {
            call,
            kommun: "0180".to_owned(),
            route: "own".to_owned(),
            answers: "region-01".to_owned(),
            external: false,
        }
    }

    fn text(event: &Event) -> String {
        format!("{event:?}")
    }

    #[tokio::test]
    async fn a_slow_browser_is_told_what_it_missed_and_goes_on_from_now() {
        let source = broadcast::Sender::new(2);
        let mut arrivals = source.subscribe();
        for call in 1..=5 {
            source.send(arrival(call)).expect("somebody listens");
        }
        let mut left = 10;
        let missed = next_arrival(&mut arrivals, &mut left).await;
        assert!(text(&missed).contains("resync"), "{missed:?}");
        source.send(arrival(6)).expect("somebody listens");
        let next = next_arrival(&mut arrivals, &mut left).await;
        assert!(text(&next).contains(":6,"), "{next:?}");
        assert_eq!(left, 9);
    }

    #[tokio::test]
    async fn arrivals_beyond_what_an_eye_can_follow_are_left_out() {
        let source = broadcast::Sender::new(16);
        let mut arrivals = source.subscribe();
        for call in 1..=3 {
            source.send(arrival(call)).expect("somebody listens");
        }
        let mut left = 1;
        let _first = next_arrival(&mut arrivals, &mut left).await;
        let more = timeout(Duration::ZERO, next_arrival(&mut arrivals, &mut left)).await;
        assert!(more.is_err(), "no room is left before the next `live`");
        assert!(arrivals.is_empty(), "they are thrown away, not saved up");
    }
}
