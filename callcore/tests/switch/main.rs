//! The call machine, behaviour by behaviour.

mod agents;
mod bench;
mod books;
mod callback;
mod divert;
mod external;
mod health;
mod kept;
mod menu;
mod random;
mod recording;
mod regional;
mod replace;
mod spoken;
