//! Tones as files, and files as samples.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use testkit::tone;
use wire::g711::Law;

/// What the caller says, in Hz.
pub(crate) const CALLER: f64 = 440.0;
/// What the nurse or the provider says.
pub(crate) const ANSWERER: f64 = 1000.0;
/// What every announcement is in these tests.
pub(crate) const ANNOUNCEMENT: f64 = 600.0;

const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: 8000,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// A WAV file with that much of a tone.
pub(crate) fn write_wav(file: &Path, hz: f64, seconds: usize) {
    let mut writer = WavWriter::create(file, SPEC).expect("the test's own folder");
    for sample in tone::generate(hz, seconds * 8000) {
        writer.write_sample(sample).expect("room on the disk");
    }
    writer.finalize().expect("room on the disk");
}

/// A-law without a header, one second of a tone: SIPp sends a file as it is, a WAV header too.
pub(crate) fn write_raw_a_law(file: &Path, hz: f64) {
    let coded: Vec<u8> = tone::generate(hz, 8000)
        .into_iter()
        .map(|sample| Law::A.encode(sample))
        .collect();
    std::fs::write(file, coded).expect("the test's own folder");
}

/// Channel `index` of a WAV file.
pub(crate) fn read_channel(file: &Path, index: usize) -> Vec<i16> {
    let reader = WavReader::open(file).expect("a WAV file");
    let spec = reader.spec();
    assert_eq!((spec.sample_rate, spec.bits_per_sample), (8000, 16));
    assert!(
        index < usize::from(spec.channels),
        "{} channels",
        spec.channels
    );
    reader
        .into_samples::<i16>()
        .map(|sample| sample.expect("a whole file"))
        .skip(index)
        .step_by(spec.channels.into())
        .collect()
}
