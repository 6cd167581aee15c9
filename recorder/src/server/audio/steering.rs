//! How a session tells a stream what to do, whichever way it is received.

use std::net::SocketAddr;

use tokio::{
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle},
};
use transport::media::RtpSocket;

use super::{
    media::Listener,
    shared::{Claim, Key, Seat},
    track::{Control, Flow, Owed, Track},
};

/// Where a stream is to be received.
#[derive(Debug)]
pub(in crate::server) enum Door {
    /// A port of its own.
    Own(RtpSocket),
    /// A place on a port with other streams.
    Shared(Claim),
}

impl Door {
    /// What goes into SDP.
    pub(in crate::server) fn local(&self) -> SocketAddr {
        match self {
            Self::Own(socket) => socket.local_addr(),
            Self::Shared(claim) => claim.local(),
        }
    }
}

/// A stream that records, as its session steers it. Dropped, the stream ends.
#[derive(Debug)]
pub(in crate::server) struct Steering {
    told: Control,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Own(watch::Sender<Control>, JoinHandle<Vec<Owed>>),
    Shared(Seat, oneshot::Receiver<Vec<Owed>>),
}

impl Steering {
    /// Begins to record there.
    pub(in crate::server) fn begin(door: Door, told: Control, track: Track) -> Self {
        let way = match door {
            Door::Own(socket) => {
                let (steering, control) = watch::channel(told.clone());
                let listener = Listener::new(socket, control, track);
                Way::Own(steering, tokio::spawn(listener.run()))
            }
            Door::Shared(claim) => {
                let (seat, ended) = claim.begin(track);
                Way::Shared(seat, ended)
            }
        };
        Self { told, way }
    }

    /// What it was told last.
    pub(in crate::server) const fn flow(&self) -> Flow {
        self.told.flow
    }

    /// What it is known by on a shared port.
    pub(in crate::server) const fn key(&self) -> Option<Key> {
        match &self.way {
            Way::Own(..) => None,
            Way::Shared(seat, _) => Some(seat.key()),
        }
    }

    /// Its place on a shared port.
    pub(in crate::server) const fn seat(&self) -> Option<&Seat> {
        match &self.way {
            Way::Own(..) => None,
            Way::Shared(seat, _) => Some(seat),
        }
    }

    pub(in crate::server) fn steer(&mut self, change: impl FnOnce(&mut Control)) {
        change(&mut self.told);
        match &self.way {
            Way::Own(steering, _) => {
                steering.send_replace(self.told.clone());
            }
            Way::Shared(seat, _) => seat.tell(self.told.clone()),
        }
    }

    /// From now on it is known by another name.
    pub(in crate::server) fn rename(&mut self, claim: Claim) {
        if let Way::Shared(seat, _) = &mut self.way {
            seat.rename(claim);
        }
    }

    /// Resolves when it has ended, and all of it was handed over that the writer had room for; the rest is a gap, given here.
    pub(in crate::server) async fn ended(self) -> Result<Vec<Owed>, JoinError> {
        match self.way {
            Way::Own(_, task) => task.await,
            Way::Shared(_seat, ended) => {
                // Gone without a word: its thread has said why.
                Ok(ended.await.unwrap_or_default())
            }
        }
    }
}
