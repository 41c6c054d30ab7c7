//! Bytes that say who wrote them: each is a function of its client, its number and its length.

use bytes::Bytes;

const MAGIC: [u8; 8] = *b"\xf0leasecl";

/// Cells and records of a workload. Two with the same client, number and length are the same; a
/// workload uses each pair of client and number once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contents {
    /// Whoever wrote it.
    pub client: u64,
    /// Counted by the client.
    pub number: u64,
    /// In bytes, header included.
    pub length: usize,
}

impl Contents {
    /// The shortest contents, in bytes: magic, client, number, length.
    pub const BYTES_MIN: usize = 28;

    /// What this client writes as its `number`th, `length` bytes of it.
    ///
    /// # Panics
    /// If `length` is below [`Contents::BYTES_MIN`] or does not fit 32 bits.
    #[must_use]
    pub fn make(client: u64, number: u64, length: usize) -> Bytes {
        assert!(length >= Self::BYTES_MIN, "contents have room for their header");
        let mut bytes = Vec::with_capacity(length + 8);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&client.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        let length32 = u32::try_from(length).expect("contents are shorter than 4 GiB");
        bytes.extend_from_slice(&length32.to_le_bytes());
        // The length counts too: contents cut short are not shorter contents.
        let seed = client.rotate_left(32) ^ number ^ u64::from(length32).rotate_left(48);
        let mut word = (seed ^ 0x9e37_79b9_7f4a_7c15) | 1;
        while bytes.len() < length {
            // xorshift64*: cheap, and never a long run of zeros.
            word ^= word >> 12;
            word ^= word << 25;
            word ^= word >> 27;
            bytes.extend_from_slice(&word.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        bytes.truncate(length);
        bytes.into()
    }

    /// The contents that begin here; none if these bytes are not whole contents, or differ from
    /// what their client wrote.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Contents> {
        let header = bytes.get(..Self::BYTES_MIN)?;
        if header[..8] != MAGIC {
            return None;
        }
        let length = u32::from_le_bytes(header[24..28].try_into().ok()?) as usize;
        let whole = bytes.get(..length).filter(|_| length >= Self::BYTES_MIN)?;
        let (client, number) = (word_at(header, 8), word_at(header, 16));
        let contents = Contents { client, number, length };
        (whole == Contents::make(client, number, length)).then_some(contents)
    }

    /// Every contents in a stretch of bytes, with its place. Bytes between them are skipped.
    #[must_use]
    pub fn scan(bytes: &[u8]) -> Vec<(usize, Contents)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            match Contents::parse(&bytes[at..]) {
                Some(contents) => {
                    found.push((at, contents));
                    at += contents.length;
                }
                None => at += 1,
            }
        }
        found
    }
}

fn word_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_name_their_writer_and_nobody_else() {
        let bytes = Contents::make(3, 77, 100);
        let contents = Contents { client: 3, number: 77, length: 100 };
        assert_eq!(Contents::parse(&bytes), Some(contents));
        for at in 0..100 {
            let mut other = bytes.to_vec();
            other[at] ^= 4;
            assert_eq!(Contents::parse(&other), None, "byte {at}");
        }
        assert_eq!(Contents::parse(&bytes[..99]), None, "cut off");
    }

    #[test]
    fn records_are_found_wherever_they_stand() {
        let mut bytes = vec![0; 5];
        bytes.extend_from_slice(&Contents::make(1, 2, 64));
        bytes.extend_from_slice(b"torn");
        bytes.extend_from_slice(&Contents::make(1, 3, 28));
        let found: Vec<_> = Contents::scan(&bytes).iter().map(|(at, c)| (*at, c.number)).collect();
        assert_eq!(found, [(5, 2), (73, 3)]);
    }
}
