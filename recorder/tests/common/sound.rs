//! Tones, said and found again.

use recorder::store::Store;
use tempfile::TempDir;

use super::asker;

pub(crate) fn tone(hertz: f64, from: usize, count: usize) -> Vec<i16> {
    let sample =
        |at: usize| (8000.0 * (std::f64::consts::TAU * hertz * at as f64 / 8000.0).sin()) as i16;
    (from..from + count).map(sample).collect()
}

/// How much of that tone there is (Goertzel), as an amplitude.
pub(crate) fn level(samples: &[i16], hertz: f64) -> f64 {
    let turn = std::f64::consts::TAU * hertz / 8000.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        re += f64::from(*sample) * (turn * at as f64).cos();
        im += f64::from(*sample) * (turn * at as f64).sin();
    }
    2.0 * re.hypot(im) / samples.len().max(1) as f64
}

/// Both channels of an exported recording.
pub(crate) fn export(store: &Store, place: &TempDir, id: &str) -> (Vec<i16>, Vec<i16>) {
    let path = place.path().join("out.wav");
    store.export(id, &path, &asker()).expect("exports");
    let samples: Vec<i16> = hound::WavReader::open(path)
        .expect("a sound file")
        .into_samples()
        .map(|sample| sample.expect("whole"))
        .collect();
    samples
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .unzip()
}
