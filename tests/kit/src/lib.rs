//! A test phone, tones and peers for the end-to-end tests.
