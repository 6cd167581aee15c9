//! The live switch: a B2BUA that carries out what `callcore` decides, over `wire`'s SIP.
//!
//! It talks to the recorder only by SIPREC and never opens a store. One task owns the call machine; media has its own tasks.

pub mod view;
