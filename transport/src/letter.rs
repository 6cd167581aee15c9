//! A letter from a program to the one that takes its place: bytes in memory, never in a file, an argument or the environment.
//!
//! They lie in a sealed memory file, which is on its way through a pair of sockets. Whoever inherits the one that is left takes it
//! out, once, and nobody can have changed it meanwhile.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::FileExt, net::UnixDatagram},
    },
};

use rustix::{
    cmsg_space,
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};

/// The longest letter: a hundred thousand entries of some hundred bytes, and what a program may take in before it does anything.
pub const LETTER_LEN_MAX: usize = 64 * 1024 * 1024;

/// The seals of a letter: nobody changes it, and nobody takes the seals off.
const SEALS: SealFlags = SealFlags::WRITE
    .union(SealFlags::GROW)
    .union(SealFlags::SHRINK)
    .union(SealFlags::SEAL);

/// Writes and posts a letter; what is given back is to be inherited.
pub(crate) fn post(text: &[u8]) -> io::Result<OwnedFd> {
    if text.len() > LETTER_LEN_MAX {
        return Err(io::Error::other("the letter is too long"));
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("letter", flags)?);
    file.write_all(text)?;
    fcntl_add_seals(&file, SEALS)?;
    let (from, to) = UnixDatagram::pair()?;
    let enclosed = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&enclosed)) {
        return Err(io::Error::other("no room for the letter"));
    }
    // A message of no bytes at all might be taken for the end.
    sendmsg(
        &from,
        &[IoSlice::new(b"1")],
        &mut control,
        SendFlags::empty(),
    )?;
    Ok(to.into())
}

/// Takes the letter out.
pub(crate) fn take(socket: &UnixDatagram) -> io::Result<Vec<u8>> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        flags,
    )?;
    let mut enclosed = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    let file = enclosed.next();
    let file = File::from(file.ok_or_else(|| io::Error::other("the letter is empty"))?);
    if !fcntl_get_seals(&file)?.contains(SEALS) {
        return Err(io::Error::other("the letter's seal is broken"));
    }
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if len > LETTER_LEN_MAX {
        return Err(io::Error::other("the letter is too long"));
    }
    let mut text = vec![0; len];
    file.read_exact_at(&mut text, 0)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_as_it_was_written_and_only_once() {
        for text in [&b""[..], b"a number", &[7; 3_000_000]] {
            let socket = UnixDatagram::from(post(text).expect("posted"));
            assert_eq!(take(&socket).expect("a letter"), text);
            assert!(take(&socket).is_err(), "it was taken");
        }
    }

    #[test]
    fn what_is_no_letter_is_refused() {
        let (ours, theirs) = UnixDatagram::pair().expect("sockets");
        assert!(take(&theirs).is_err(), "nothing came");
        ours.send(b"x").expect("sent");
        assert!(take(&theirs).is_err(), "nothing in it");
        let file = memfd_create("open", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        let file = file.expect("a memory file");
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let enclosed = [file.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&enclosed)));
        sendmsg(
            &ours,
            &[IoSlice::new(b"1")],
            &mut control,
            SendFlags::empty(),
        )
        .expect("sent");
        assert!(take(&theirs).is_err(), "not sealed");
    }
}
