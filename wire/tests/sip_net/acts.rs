//! What may happen, drawn by chance.

use std::ops::Range;

use proptest::prelude::*;

/// One thing that happens: which verb, at which of two endpoints, to which of its sessions, with what.
#[derive(Debug, Clone, Copy)]
pub struct Act {
    pub verb: u8,
    pub node: usize,
    pub session: usize,
    pub detail: u8,
    pub wait_millis: u64,
}

/// One of so many verbs to one of so many sessions, after such a wait.
pub fn act(
    verbs: Range<u8>,
    sessions: Range<usize>,
    wait: impl Strategy<Value = u64>,
) -> impl Strategy<Value = Act> {
    (verbs, 0..2_usize, sessions, any::<u8>(), wait).prop_map(
        |(verb, node, session, detail, wait_millis)| Act {
            verb,
            node,
            session,
            detail,
            wait_millis,
        },
    )
}
