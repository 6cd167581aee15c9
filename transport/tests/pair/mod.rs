//! What two drivers that call one another need.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file includes this and uses a part of it"
)]

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use transport::SipDriver;
use wire::sip::{
    endpoint::{Event, Invite},
    message::Body,
    uri::Uri,
};

/// A body of so many bytes.
pub fn body(len: usize) -> Body {
    Body {
        content_type: "application/sdp".into(),
        bytes: Bytes::from(vec![b'a'; len]),
    }
}

/// Only a fault takes this long.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("within 20 seconds")
}

/// The callee's next event, while the caller runs too.
pub async fn next(one: &mut SipDriver, other: &mut SipDriver) -> Event {
    soon(async {
        tokio::select! {
            event = one.event() => event,
            event = other.event() => panic!("the other side had {event:?}"),
        }
    })
    .await
}

/// A call to that address, with a short body.
pub fn invite_to(to: SocketAddr) -> Invite {
    Invite {
        body: Some(body(10)),
        ..Invite::anonymous(Uri::sip(Some("1177"), to))
    }
}
