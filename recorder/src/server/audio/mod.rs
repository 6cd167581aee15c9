//! The audio of a session's streams, from the socket to the disk's thread: received on a port of the stream's own ([`media`]) or on one
//! that many share ([`shared`]), placed on a [`timeline`] by its [`track`], told what to do by [`steering`].

mod early;
mod media;
#[cfg(test)]
mod memory;
pub(super) mod shared;
pub(super) mod steering;
pub(super) mod timeline;
pub(super) mod track;
