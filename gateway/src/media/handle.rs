//! The exchange's handle on a call's media: our ends of its legs, and commands to the thread that has them.

use std::net::{IpAddr, SocketAddr};

use transport::media::PortsError;

use super::{
    Agreed, Command, Fork, Gate, MediaFactory, Mode, Peer, PlayId, Side, Streams,
    engine::Line,
    leg::LegSocket,
    seats::{Pair, Seat, Taken, seat_of},
};
use crate::audio::Clip;

/// The handle on a call's media.
#[derive(Debug)]
pub(crate) struct Media {
    pub(super) line: Line,
    pub(super) thread: usize,
    pub(super) caller: OurEnd,
    pub(super) far: Option<OurEnd>,
    /// Ports for a far side in other networks than the present one's: who is called there has yet to answer.
    pub(super) spare: Vec<(OurEnd, LegSocket)>,
    pub(super) reached: [Reached; 2],
    /// The clip that plays, or played last.
    pub(super) play: PlayId,
}

/// How a side is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached {
    /// The address of ours in its network.
    pub(crate) home: IpAddr,
    /// The host that its signalling comes from, when it is known.
    pub(crate) from: Option<IpAddr>,
}

/// Our end of a leg.
#[derive(Debug)]
pub(super) enum OurEnd {
    Own(SocketAddr),
    Shared(Seat),
}

/// Where a remote will be heard, once it is agreed.
#[derive(Debug)]
pub(crate) struct Place(PlaceKind);

#[derive(Debug)]
enum PlaceKind {
    Here(SocketAddr, Option<Pair>),
    /// `offered`: the remote knows of that port.
    Elsewhere {
        end: OurEnd,
        socket: LegSocket,
        pair: Option<Pair>,
        offered: bool,
    },
}

/// What became of our port when a remote was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a remote sends to the old port until it is told of the new one"]
pub(crate) enum Port {
    Stays,
    /// The remote needs a port of its own, and must be told.
    Moved,
}

impl OurEnd {
    fn local(&self) -> SocketAddr {
        match self {
            Self::Own(local) => *local,
            Self::Shared(seat) => seat.local(),
        }
    }
}

impl Place {
    /// Our address there.
    pub(crate) fn local(&self) -> SocketAddr {
        match &self.0 {
            PlaceKind::Here(local, _) => *local,
            PlaceKind::Elsewhere { end, .. } => end.local(),
        }
    }
}

impl Media {
    /// Our address on the caller's leg.
    pub(crate) fn caller_local(&self) -> SocketAddr {
        self.caller.local()
    }

    /// Our address on the far leg, once opened.
    pub(crate) fn far_local(&self) -> Option<SocketAddr> {
        self.far.as_ref().map(OurEnd::local)
    }

    /// Opens a port for a far leg that is called at that host from that address of ours, or gives one that is open and will do.
    pub(crate) fn open_far(
        &mut self,
        factory: &mut MediaFactory,
        home: IpAddr,
        host: Option<IpAddr>,
    ) -> Result<SocketAddr, PortsError> {
        let shares = host.is_some_and(|host| factory.shared.may_share(host));
        let will_do = |end: &&OurEnd| {
            let fits = shares || !matches!(end, OurEnd::Shared(_));
            end.local().ip() == home && fits
        };
        let spare = self.spare.iter().map(|(end, _)| end);
        if let Some(open) = self.far.iter().chain(spare).find(will_do) {
            return Ok(open.local());
        }
        let peer = host.map_or(Peer::Unknown, Peer::CalledAt);
        let (end, socket) = factory.port(self.thread, home, peer)?;
        let local = end.local();
        let elsewhere = |end: &OurEnd| end.local().ip() != home;
        if self.far.as_ref().is_some_and(elsewhere) {
            // Whoever is there now is heard until who is called has answered.
            self.spare.retain(|(end, _)| elsewhere(end));
            self.spare.push((end, socket));
        } else {
            self.far = Some(end);
            self.tell(Command::Socket(Side::Far, socket));
        }
        Ok(local)
    }

    /// Where a remote that describes itself so is to be heard. Nothing changes before [`Media::agree`].
    pub(crate) fn place(
        &mut self,
        factory: &MediaFactory,
        side: Side,
        remote: SocketAddr,
    ) -> Result<Place, PortsError> {
        let home = self.reached[side as usize].home;
        let present = self.end(side).filter(|end| end.local().ip() == home);
        let kind = match present {
            Some(OurEnd::Own(local)) => PlaceKind::Here(*local, None),
            Some(OurEnd::Shared(seat)) => match seat_of(seat, remote, &factory.shared) {
                Ok(pair) => PlaceKind::Here(seat.local(), pair),
                Err(Taken) => own_place(factory, home)?,
            },
            None => self.place_elsewhere(factory, home, remote)?,
        };
        Ok(Place(kind))
    }

    /// The same in another network than the one in which the side was so far.
    fn place_elsewhere(
        &mut self,
        factory: &MediaFactory,
        home: IpAddr,
        remote: SocketAddr,
    ) -> Result<PlaceKind, PortsError> {
        let mut spare = self.spare.iter();
        let Some(at) = spare.position(|(end, _)| end.local().ip() == home) else {
            return own_place(factory, home);
        };
        let (mut end, socket) = self.spare.swap_remove(at);
        let pair = match &mut end {
            OurEnd::Own(_) => None,
            OurEnd::Shared(seat) => match seat_of(seat, remote, &factory.shared) {
                Ok(pair) => pair,
                Err(Taken) => return own_place(factory, home),
            },
        };
        Ok(PlaceKind::Elsewhere {
            end,
            socket,
            pair,
            offered: true,
        })
    }

    /// Notes how a side is reached, and tells how it was. Its audio may come from the host that its signalling comes from, too,
    /// whatever its description says.
    pub(crate) const fn reached(&mut self, side: Side, reached: Reached) -> Reached {
        std::mem::replace(&mut self.reached[side as usize], reached)
    }

    /// The port that a side was offered, who has not answered yet.
    pub(crate) fn offered_at(&mut self, side: Side) -> Option<SocketAddr> {
        let home = self.reached[side as usize].home;
        let own = self.end(side).map(|end| end.local());
        let spare = self.spare.iter().map(|(end, _)| end.local());
        own.into_iter().chain(spare).find(|at| at.ip() == home)
    }

    /// The other end of a leg is there, and heard in its place.
    pub(crate) fn agree(&mut self, side: Side, mut agreed: Agreed, place: Place) {
        agreed.signals_from = self.reached[side as usize].from;
        let pair = match place.0 {
            PlaceKind::Here(_, pair) => pair,
            PlaceKind::Elsewhere {
                end, socket, pair, ..
            } => {
                match side {
                    Side::Caller => self.caller = end,
                    Side::Far => self.far = Some(end),
                }
                self.tell(Command::Socket(side, socket));
                pair
            }
        };
        if let (Some(pair), Some(OurEnd::Shared(seat))) = (&pair, self.end(side)) {
            seat.given(pair);
        }
        self.tell(Command::At(side, Box::new(agreed), pair));
    }

    /// The other end has answered our offer. Where it is may be known only now, and not go with the port that was offered.
    pub(crate) fn answered(
        &mut self,
        factory: &MediaFactory,
        side: Side,
        agreed: Agreed,
    ) -> Result<Port, PortsError> {
        let place = self.place(factory, side, agreed.remote.address)?;
        let port = match &place.0 {
            PlaceKind::Here(..) | PlaceKind::Elsewhere { offered: true, .. } => Port::Stays,
            PlaceKind::Elsewhere { offered: false, .. } => Port::Moved,
        };
        self.agree(side, agreed, place);
        Ok(port)
    }

    /// Whoever was the far end has hung up, and the call goes on without: perhaps with somebody else at the same port, who is to be
    /// joined.
    pub(crate) fn far_left(&mut self) {
        if let Some(OurEnd::Shared(seat)) = &mut self.far {
            seat.left();
        }
        self.tell(Command::FarLeft);
    }

    /// The far end says before its answer where it will be: if another call's remote is there, only one of them is heard.
    pub(crate) fn far_will_be(&self, remote: SocketAddr) {
        let spare = self.spare.iter().map(|(end, _)| end);
        for end in self.far.iter().chain(spare) {
            if let OurEnd::Shared(seat) = end {
                seat.doubt(remote);
            }
        }
    }

    fn end(&mut self, side: Side) -> Option<&mut OurEnd> {
        match side {
            Side::Caller => Some(&mut self.caller),
            Side::Far => self.far.as_mut(),
        }
    }

    /// Opens two streams towards the recorder, at that address of ours: the caller's and the far side's.
    pub(crate) fn open_fork(
        &self,
        factory: &mut MediaFactory,
        home: IpAddr,
    ) -> Result<Streams, PortsError> {
        let (fork, streams) = Fork::open(&factory.ports.at(home), &mut factory.sources)?;
        self.tell(Command::ForkOpen(Box::new(fork)));
        Ok(streams)
    }

    /// Plays a clip to the caller, and reports its end.
    pub(crate) fn play_once(&mut self, clip: Clip) {
        self.play(clip, Mode::Once);
    }

    /// Plays a clip to the caller until something else is asked for.
    pub(crate) fn play_on(&mut self, clip: Clip) {
        self.play(clip, Mode::Loop);
    }

    /// Lets a simulated nurse talk to the caller.
    pub(crate) fn nurse(&mut self, clip: Clip) {
        self.play(clip, Mode::Nurse);
    }

    fn play(&mut self, clip: Clip, mode: Mode) {
        let id = self.next_play();
        self.tell(Command::Play { id, clip, mode });
    }

    /// Whether nothing else has been asked for since that clip.
    pub(crate) fn plays(&self, clip: PlayId) -> bool {
        self.play == clip
    }

    /// The clip that plays, or played last.
    #[cfg(test)]
    pub(crate) const fn playing(&self) -> PlayId {
        self.play
    }

    fn next_play(&mut self) -> PlayId {
        self.play.clip = self.play.clip.wrapping_add(1);
        self.play
    }

    /// Joins caller and far end.
    pub(crate) fn join(&mut self) {
        self.next_play();
        self.tell(Command::Join);
    }

    /// Sends both directions to the recorder too, once it has answered. Later answers change nothing.
    pub(crate) fn fork(&self, caller: Agreed, far: Agreed) {
        self.tell(Command::ForkTo(Box::new((caller, far))));
    }

    /// Whether what is said goes there.
    pub(crate) fn fork_gate(&self, gate: Gate) {
        self.tell(Command::ForkGate(gate));
    }

    /// Stops doing so.
    pub(crate) fn fork_off(&self) {
        self.tell(Command::ForkOff);
    }

    fn tell(&self, command: Command) {
        self.line.tell(command);
    }
}

fn own_place(factory: &MediaFactory, home: IpAddr) -> Result<PlaceKind, PortsError> {
    let (end, socket) = factory.own_port(home)?;
    Ok(PlaceKind::Elsewhere {
        end,
        socket,
        pair: None,
        offered: false,
    })
}
