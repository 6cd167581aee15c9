//! Virtual-time simulation, and the load generator that plays the same traffic live.
