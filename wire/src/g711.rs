//! G.711: the two companding laws of telephone audio, 8000 samples a second, one byte a sample (ITU-T G.711).
//!
//! Linear samples are 16 bits wide here, as sound files have them: A-law's 13 bits and µ-law's 14 bits are scaled up.

/// A companding law. Europe uses A-law, North America and Japan µ-law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// A-law, `PCMA`, payload type 8.
    A,
    /// µ-law, `PCMU`, payload type 0.
    U,
}

impl Law {
    /// The static RTP payload type (RFC 3551 table 4).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::A => 8,
            Self::U => 0,
        }
    }

    /// The law that a static payload type names, if one does.
    pub const fn from_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            8 => Some(Self::A),
            0 => Some(Self::U),
            _ => None,
        }
    }

    /// The code for the smallest positive amplitude: what silence sounds like.
    pub const fn silence(self) -> u8 {
        match self {
            Self::A => 0xD5,
            Self::U => 0xFF,
        }
    }

    /// One linear sample to its code.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::A => encode_a(sample),
            Self::U => encode_u(sample),
        }
    }

    /// One code to its linear sample.
    pub const fn decode(self, code: u8) -> i16 {
        match self {
            Self::A => A_LINEAR[code as usize],
            Self::U => U_LINEAR[code as usize],
        }
    }

    /// Appends the codes of `samples` to `codes`.
    pub fn encode_into(self, samples: &[i16], codes: &mut Vec<u8>) {
        codes.extend(samples.iter().map(|&sample| self.encode(sample)));
    }

    /// Appends the samples of `codes` to `samples`.
    pub fn decode_into(self, codes: &[u8], samples: &mut Vec<i16>) {
        samples.extend(codes.iter().map(|&code| self.decode(code)));
    }
}

static A_LINEAR: [i16; 256] = linear(Law::A);
static U_LINEAR: [i16; 256] = linear(Law::U);

/// Every second bit of an A-law code is inverted on the wire, so that silence is not a run of zeros.
const A_TOGGLE: u8 = 0x55;
/// µ-law adds this before it takes the logarithm (33 in 14 bits), so that the first segment is a power of two too.
const U_BIAS_14: u16 = 33;
const U_MAX_14: u16 = 0x1FFF;

const fn linear(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = match law {
            Law::A => decode_a(code as u8),
            Law::U => decode_u(code as u8),
        };
        code += 1;
    }
    table
}

/// Sign, segment and step of a code: `s eee mmmm`.
const fn split(code: u8) -> (bool, u32, i32) {
    (code & 0x80 != 0, (code as u32 >> 4) & 7, code as i32 & 15)
}

const fn decode_a(code: u8) -> i16 {
    let (positive, segment, step) = split(code ^ A_TOGGLE);
    // The middle of the step; the two lowest segments have the same step size.
    let magnitude = if segment == 0 {
        step * 16 + 8
    } else {
        (step * 16 + 264) << (segment - 1)
    };
    (if positive { magnitude } else { -magnitude }) as i16
}

const fn decode_u(code: u8) -> i16 {
    let (negative, segment, step) = split(!code);
    let magnitude = ((step * 8 + 132) << segment) - 132;
    (if negative { -magnitude } else { magnitude }) as i16
}

/// The magnitude as G.191 takes it: one's complement for negative samples, so both signs have equally many values.
const fn magnitude(sample: i16) -> u16 {
    (if sample < 0 { !sample } else { sample }) as u16
}

const fn encode_a(sample: i16) -> u8 {
    let magnitude = magnitude(sample);
    let segment = if magnitude < 256 {
        0
    } else {
        magnitude.ilog2() - 7
    };
    let shift = if segment == 0 { 4 } else { segment + 3 };
    let step = (magnitude >> shift) as u8 & 15;
    let sign = if sample < 0 { 0 } else { 0x80 };
    (sign | (segment as u8) << 4 | step) ^ A_TOGGLE
}

const fn encode_u(sample: i16) -> u8 {
    let biased = (magnitude(sample) >> 2) + U_BIAS_14;
    let biased = if biased > U_MAX_14 { U_MAX_14 } else { biased };
    let segment = biased.ilog2() - 5;
    let step = (biased >> (segment + 1)) as u8 & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment as u8) << 4 | step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of ITU-T G.711 tables 1a, 1b (A-law, 13 bits) and 2a, 2b (µ-law, 14 bits), scaled to 16 bits.
    #[test]
    fn codes_have_the_values_of_the_standard() {
        let a = [
            (0xD5, 8),
            (0x55, -8),
            (0xD4, 24),
            (0xC5, 264),
            (0xAA, 32256),
            (0x2A, -32256),
            (0x80, 5504),
        ];
        for (code, sample) in a {
            assert_eq!(Law::A.decode(code), sample, "A-law {code:#04x}");
        }
        let u = [
            (0xFF, 0),
            (0x7F, 0),
            (0xFE, 8),
            (0x7E, -8),
            (0x80, 32124),
            (0x00, -32124),
            (0xEF, 132),
            (0xDF, 396),
        ];
        for (code, sample) in u {
            assert_eq!(Law::U.decode(code), sample, "µ-law {code:#04x}");
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=255 {
            assert_eq!(
                Law::A.encode(Law::A.decode(code)),
                code,
                "A-law {code:#04x}"
            );
            // µ-law has two zeros; the positive one is what we send.
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(
                Law::U.encode(Law::U.decode(code)),
                expected,
                "µ-law {code:#04x}"
            );
        }
    }

    #[test]
    fn every_sample_comes_back_within_half_a_step() {
        for law in [Law::A, Law::U] {
            let mut previous = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let back = law.decode(law.encode(sample));
                let error = (i32::from(back) - i32::from(sample)).abs();
                // A step is a sixteenth of its segment, which is never more than the magnitude; the ends are clipped.
                let half_step = i32::from(magnitude(sample)) / 32 + 8;
                assert!(
                    error <= half_step.max(0) || sample.unsigned_abs() > 32123,
                    "{law:?} {sample} -> {back}"
                );
                assert!(back >= previous, "{law:?} is monotonic at {sample}");
                previous = back;
            }
        }
    }

    #[test]
    fn silence_is_quiet() {
        assert_eq!(Law::A.encode(0), Law::A.silence());
        assert_eq!(Law::U.encode(0), Law::U.silence());
        let mut codes = Vec::new();
        Law::A.encode_into(&[0, 0, 1000], &mut codes);
        let mut samples = Vec::new();
        Law::A.decode_into(&codes, &mut samples);
        assert_eq!(samples, [8, 8, 1008]);
        assert_eq!(Law::from_payload_type(8), Some(Law::A));
        assert_eq!(Law::from_payload_type(101), None);
    }
}
