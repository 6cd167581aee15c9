//! The SIPREC recording server: audio to vault, index, export.
