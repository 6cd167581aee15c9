//! The recording tag: whose a recording is, why it exists and how long it stays.
//!
//! The tag travels as text fields (SIPREC extension data, WAV chunks, index) and is bound to the audio as
//! associated data by its [canonical form](RecordingTag::canonical): change one character and the audio won't open.
