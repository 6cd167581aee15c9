//! WebSockets at `/sip`: frames go through to the switch and back; what they say is the switch's to read (RFC 7118).

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use gateway::{FRAME_LEN_MAX, FramesIn, FramesOut, SUBPROTOCOL, WebSocketDoor};
use tokio::sync::Semaphore;

use crate::{connections::Peer, guard};

/// WebSockets at once: telephones in browsers of this machine, or at the other ends of tunnels to it. They stay for as long as they
/// like, so they have connections of their own: however many come, the page, its API and `/metrics` are answered.
pub(crate) const WEB_SOCKETS_MAX: usize = 200;

#[derive(Clone)]
struct Entrance {
    door: WebSocketDoor,
    places: Arc<Semaphore>,
}

/// The route, when there is a switch to lead to.
pub(crate) fn router(door: Option<WebSocketDoor>) -> Router {
    let Some(door) = door else {
        return Router::new();
    };
    let places = Arc::new(Semaphore::new(WEB_SOCKETS_MAX));
    Router::new()
        .route("/sip", any(enter))
        .with_state(Entrance { door, places })
}

async fn enter(
    State(Entrance { door, places }): State<Entrance>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // A page of another site may open WebSockets anywhere; only its browser says that it does.
    if !guard::origin_is_here(&headers) {
        return (
            StatusCode::FORBIDDEN,
            "Only pages of this server may call.\n",
        )
            .into_response();
    }
    let speaks_sip = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case(SUBPROTOCOL));
    if !speaks_sip {
        let text = "Ask for the WebSocket subprotocol sip.\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let Ok(place) = places.try_acquire_owned() else {
        let text = "Too many WebSockets are open on this switch. Close some and try again.\n";
        let again = [(header::RETRY_AFTER, "10")];
        return (StatusCode::SERVICE_UNAVAILABLE, again, text).into_response();
    };
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(FRAME_LEN_MAX)
        .max_frame_size(FRAME_LEN_MAX);
    upgrade.on_upgrade(move |socket| async move {
        if let Ok((to_switch, from_switch)) = door.enter(peer, false).await {
            pass(socket, to_switch, from_switch).await;
        }
        drop(place);
    })
}

/// Passes frames both ways until either side closes.
async fn pass(mut socket: WebSocket, to_switch: FramesIn, mut from_switch: FramesOut) {
    loop {
        tokio::select! {
            frame = socket.recv() => {
                let frame: Bytes = match frame {
                    Some(Ok(Message::Text(text))) => text.into(),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    // The library answers a ping by itself.
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                if to_switch.pass(frame).await.is_err() {
                    return;
                }
            }
            frame = from_switch.next() => {
                let Some(frame) = frame else { return };
                // SIP is text, but for a body in another alphabet (RFC 7118 section 5).
                let frame = match String::from_utf8(frame.to_vec()) {
                    Ok(text) => Message::Text(text.into()),
                    Err(bytes) => Message::Binary(bytes.into_bytes().into()),
                };
                if socket.send(frame).await.is_err() {
                    return;
                }
            }
        }
    }
}
