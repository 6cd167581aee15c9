//! Sine tones, and how much of one there is in what was heard (Goertzel).

use std::f64::consts::TAU;

/// Samples a second.
pub const RATE: f64 = 8000.0;
/// The loudness of generated tones: a quarter of full scale, far from clipping and from noise.
pub const AMPLITUDE: f64 = 8000.0;

/// `len` samples of a tone of `hz`.
pub fn generate(hz: f64, len: usize) -> Vec<i16> {
    (0..len).map(|index| sample(hz, index as u64)).collect()
}

/// The sample at `index` of a tone without end.
pub fn sample(hz: f64, index: u64) -> i16 {
    (AMPLITUDE * (TAU * hz * index as f64 / RATE).sin()) as i16
}

/// How much of the energy of `samples` is at `hz`: 1 for that tone alone, about 0 for silence, noise and other tones.
pub fn detect(samples: &[i16], hz: f64) -> f64 {
    let energy: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    // Below this mean square it is G.711's silence, whose codes are not zero.
    if energy <= 100.0 * samples.len() as f64 {
        return 0.0;
    }
    let coefficient = 2.0 * (TAU * hz / RATE).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        (one, two) = (f64::from(sample) + coefficient * one - two, one);
    }
    let power = one * one + two * two - coefficient * one * two;
    2.0 * power / (samples.len() as f64 * energy)
}

/// Whether the tone makes up most of what was heard in some tenth of a second.
pub fn heard(samples: &[i16], hz: f64) -> bool {
    samples
        .chunks_exact(800)
        .any(|chunk| detect(chunk, hz) > 0.8)
}

#[cfg(test)]
mod tests {
    use wire::g711::Law;

    use super::*;

    #[test]
    fn a_tone_is_told_from_others_and_from_silence() {
        let tone = generate(1000.0, 1600);
        assert!(detect(&tone, 1000.0) > 0.99);
        assert!(detect(&tone, 1300.0) < 0.01);
        assert!(detect(&[8; 1600], 1000.0) < 0.01);
        assert!(detect(&[], 1000.0) < 0.01);
    }

    #[test]
    fn a_tone_survives_companding_and_a_second_one() {
        let mixed: Vec<i16> = generate(1000.0, 1600)
            .iter()
            .zip(generate(440.0, 1600))
            .map(|(one, two)| one / 2 + two / 2)
            .collect();
        let companded: Vec<i16> = mixed
            .iter()
            .map(|&sample| Law::A.decode(Law::A.encode(sample)))
            .collect();
        for hz in [1000.0, 440.0] {
            let strength = detect(&companded, hz);
            assert!((0.45..0.55).contains(&strength), "{hz} Hz: {strength}");
        }
        assert!(!heard(&companded, 1000.0));
        let after_silence: Vec<i16> = [8; 1600]
            .into_iter()
            .chain(generate(1000.0, 1600))
            .collect();
        assert!(heard(&after_silence, 1000.0));
    }
}
