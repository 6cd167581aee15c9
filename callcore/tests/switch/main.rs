//! The call machine, behaviour by behaviour.

mod agents;
mod bench;
mod external;
mod random;
mod recording;
mod regional;
mod replace;
