//! The live switch: a B2BUA that carries out what `callcore` decides, over `wire`'s SIP.
//!
//! It talks to the recorder only by SIPREC and never opens a store. One task, on a thread of its own, owns the call
//! machine and the SIP endpoint; audio has threads of its own. Start with [`Gateway::start`], then read `exchange`.

mod admission;
pub mod audio;
mod begin;
mod calls;
mod clock;
mod crypto;
mod estate;
mod exchange;
mod fixed;
mod health;
mod homes;
mod journal;
pub mod ledger;
mod listen;
mod media;
mod metrics;
mod names;
mod negotiate;
mod observer;
mod origin;
mod registrar;
mod rules;
mod run;
mod shift;
mod thread;
pub mod view;
mod watch;

pub use begin::StartError;
pub use journal::JournalTo;
pub use listen::ListenError;
pub use rules::{Change, Rules, RulesError};
pub use run::{Gateway, Options};
pub use shift::{ShiftError, shift};
pub use transport::handed::{Bequest, Inherited};
pub use transport::mutual;
pub use transport::{DoorClosed, FRAME_LEN_MAX, FramesIn, FramesOut, SUBPROTOCOL, WebSocketDoor};
