//! What has come to a shared port and waits to be placed. Work on one packet of each stream finds none of their memory at hand; after
//! a while there are several of each, and only the first of them waits for it.

use std::{net::SocketAddr, time::Instant};

use zeroize::Zeroizing;

/// Bytes that wait: more than 64 streams send in the tenth of a second after which they are placed. What floods a port is placed
/// as it comes.
const BYTES_MAX: usize = 128 * 1024;

/// Runs of datagrams, in the order they came.
#[derive(Default)]
pub(super) struct Arrivals {
    bytes: Zeroizing<Vec<u8>>,
    runs: Vec<Run>,
}

/// Datagrams of one sender, of one length but for the last, which may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Bytes of all of them.
    len: usize,
    /// Bytes of each; never 0.
    pub(super) stride: usize,
    pub(super) source: SocketAddr,
    pub(super) came: Instant,
}

impl Arrivals {
    /// Whether that much more may wait; as much as any one run when nothing does.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.bytes.len() + len <= BYTES_MAX
    }

    /// Adds a run, for which there is room. One of nothing is nothing.
    pub(super) fn push(&mut self, run: &[u8], stride: usize, source: SocketAddr, came: Instant) {
        if run.is_empty() {
            return;
        }
        // All at once: what outgrows its room leaves a copy where it was.
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(BYTES_MAX);
        }
        self.bytes.extend_from_slice(run);
        self.runs.push(Run {
            len: run.len(),
            stride: stride.max(1),
            source,
            came,
        });
    }

    /// Gives all of it, run by run, and is empty then.
    pub(super) fn take(&mut self, mut place: impl FnMut(&mut [u8], Run)) {
        let mut rest = self.bytes.as_mut_slice();
        for run in self.runs.drain(..) {
            let (datagrams, after) = rest.split_at_mut(run.len);
            place(datagrams, run);
            rest = after;
        }
        self.bytes.clear();
    }
}

/// Never the audio itself.
impl std::fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Arrivals({} runs, {} bytes)",
            self.runs.len(),
            self.bytes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn runs_are_given_once_in_their_order_as_they_came() {
        let (mut arrivals, came) = (Arrivals::default(), Instant::now());
        let later = came + Duration::from_millis(20);
        let (one, other) = (
            SocketAddr::from(([127, 0, 0, 1], 1)),
            SocketAddr::from(([127, 0, 0, 1], 2)),
        );
        arrivals.push(b"aabb", 2, one, came);
        arrivals.push(b"", 0, one, came);
        arrivals.push(b"c", 1, other, later);
        let mut given = Vec::new();
        arrivals.take(|datagrams, run| {
            given.push((datagrams.to_vec(), run.stride, run.source, run.came))
        });
        assert_eq!(
            given,
            [
                (b"aabb".to_vec(), 2, one, came),
                (b"c".to_vec(), 1, other, later)
            ]
        );
        arrivals.take(|_, _| panic!("it was given"));
    }

    #[test]
    fn what_waits_has_a_bound_and_never_moves() {
        let (mut arrivals, came) = (Arrivals::default(), Instant::now());
        let source = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(arrivals.has_room(64 * 1024), "any run");
        while arrivals.has_room(172) {
            arrivals.push(&[7; 172], 172, source, came);
        }
        assert_eq!(arrivals.bytes.capacity(), BYTES_MAX);
        arrivals.take(|_, _| ());
        assert!(arrivals.has_room(64 * 1024));
    }
}
