//! Ogg pages (RFC 3533), as far as a writer of Opus (RFC 7845) needs them: packets that lie within one page.

/// Segments of a page.
const SEGMENTS_MAX: usize = 255;
const SEGMENT_LEN: usize = 255;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// One logical stream of an Ogg file, written page by page.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    serial: u32,
    number: u32,
    segments: Vec<u8>,
    body: Vec<u8>,
    granule: u64,
}

impl Pages {
    pub(super) const fn new(serial: u32) -> Self {
        Self {
            serial,
            number: 0,
            segments: Vec::new(),
            body: Vec::new(),
            granule: 0,
        }
    }

    /// Puts a packet after which `granule` samples have been played; writes a page when there is no room for it.
    pub(super) fn put(&mut self, packet: &[u8], granule: u64, out: &mut Vec<u8>) {
        let needed = packet.len() / SEGMENT_LEN + 1;
        if self.segments.len() + needed > SEGMENTS_MAX {
            self.write(0, out);
        }
        self.segments
            .extend(std::iter::repeat_n(SEGMENT_LEN as u8, needed - 1));
        self.segments.push((packet.len() % SEGMENT_LEN) as u8);
        self.body.extend_from_slice(packet);
        self.granule = granule;
    }

    /// The first page, alone with its packet.
    pub(super) fn begin(&mut self, packet: &[u8], out: &mut Vec<u8>) {
        self.put(packet, 0, out);
        self.write(FIRST, out);
    }

    /// Ends a page here, unless it is empty.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        if !self.segments.is_empty() {
            self.write(0, out);
        }
    }

    /// The last page.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.write(LAST, out);
    }

    /// When what waits for its page will have been played, in samples.
    pub(super) const fn granule(&self) -> u64 {
        self.granule
    }

    fn write(&mut self, flags: u8, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(b"OggS\0");
        out.push(flags);
        out.extend_from_slice(&self.granule.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        let sum_at = out.len();
        out.extend_from_slice(&[0; 4]);
        // At most 255.
        out.push(self.segments.len() as u8);
        out.append(&mut self.segments);
        out.append(&mut self.body);
        let sum = checksum(&out[begin..]);
        out[sum_at..sum_at + 4].copy_from_slice(&sum.to_le_bytes());
        self.number += 1;
    }
}

/// The CRC of a page whose own field for it is zero: polynomial 04c11db7, most significant bit first.
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum: u32, byte| {
        (sum << 8) ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)]
    })
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut rest = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            rest = (rest << 1)
                ^ (if rest & 0x8000_0000 != 0 {
                    0x04c1_1db7
                } else {
                    0
                });
            bit += 1;
        }
        table[at] = rest;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_rfc_3533_says() {
        let (mut pages, mut out) = (Pages::new(7), Vec::new());
        pages.begin(b"OpusHead", &mut out);
        assert_eq!(&out[..6], b"OggS\0\x02");
        assert_eq!((out.len(), out[26], out[27]), (27 + 1 + 8, 1, 8));
        let begin = out.len();
        pages.put(&[1; 255], 960, &mut out);
        pages.put(&[], 1920, &mut out);
        pages.end(&mut out);
        let page = &out[begin..];
        assert_eq!((page[5], &page[6..14]), (LAST, &1920_u64.to_le_bytes()[..]));
        assert_eq!(&page[26..30], [3, 255, 0, 0]);
        assert_eq!(&page[18..22], 1_u32.to_le_bytes());
    }

    /// The sum is over the page with zeros for the sum: a page with its sum in place gives another one.
    #[test]
    fn the_sum_is_ogg_s_own() {
        // Of "123456789", as the catalogue of CRC-32 without reflection and with zeros at both ends has it.
        assert_eq!(checksum(b"123456789"), 0x89A1_897F);
    }

    #[test]
    fn more_than_a_page_holds_is_another_page() {
        let (mut pages, mut out) = (Pages::new(1), Vec::new());
        for number in 0..300 {
            pages.put(&[0; 10], number, &mut out);
        }
        pages.end(&mut out);
        let pages = out.windows(4).filter(|four| four == b"OggS").count();
        assert_eq!(pages, 2);
    }
}
