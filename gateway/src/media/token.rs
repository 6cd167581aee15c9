//! What an `epoll` says of a socket that is ready: whose it is.

use super::{Side, seats::RoomId};

/// Whose a socket is, or a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// Orders have come.
    Waker,
    /// A port that many legs share.
    Room(RoomId),
    /// A leg of the call in that place.
    Leg(usize, Side),
    /// The reports of such a port.
    RoomControl(RoomId),
    /// The reports of such a leg.
    LegControl(usize, Side),
}

/// Set for ports; places of calls are far below.
const ROOM: u64 = 1 << 62;
/// Set for reports.
const CONTROL: u64 = 1 << 61;

impl Token {
    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Waker => u64::MAX,
            Self::Room(RoomId(room)) => ROOM | room as u64,
            Self::Leg(slot, side) => (slot as u64) << 1 | matches!(side, Side::Far) as u64,
            Self::RoomControl(room) => CONTROL | Self::Room(room).number(),
            Self::LegControl(slot, side) => CONTROL | Self::Leg(slot, side).number(),
        }
    }

    pub(super) const fn of(number: u64) -> Self {
        match number {
            u64::MAX => Self::Waker,
            control if control & CONTROL != 0 => match Self::of(control & !CONTROL) {
                Self::Leg(slot, side) => Self::LegControl(slot, side),
                Self::Room(room) => Self::RoomControl(room),
                other => other,
            },
            room if room & ROOM != 0 => Self::Room(RoomId((room & !ROOM) as usize)),
            leg if leg & 1 == 0 => Self::Leg((leg >> 1) as usize, Side::Caller),
            leg => Self::Leg((leg >> 1) as usize, Side::Far),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_one_tokens() {
        for token in [
            Token::Waker,
            Token::Room(RoomId(0)),
            Token::Room(RoomId(77)),
            Token::Leg(0, Side::Caller),
            Token::Leg(0, Side::Far),
            Token::Leg(100_000, Side::Far),
            Token::LegControl(100_000, Side::Far),
            Token::LegControl(0, Side::Caller),
            Token::RoomControl(RoomId(77)),
        ] {
            assert_eq!(Token::of(token.number()), token);
        }
    }
}
