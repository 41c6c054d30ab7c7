//! Bytes that say who wrote them: a cell or a record, 64 bytes or more, of which each is a function
//! of its writer and its number.

const MAGIC: [u8; 8] = *b"\xf0leasecl";
const HEADER_BYTES: usize = 28;

/// Who wrote something: a client, and the number of its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author {
    /// The client's number.
    pub client: u64,
    /// Counted from 1 by the client.
    pub number: u64,
}

impl Author {
    /// What this author writes, `len` bytes of it.
    ///
    /// # Panics
    /// If `len` has no room for the header.
    #[must_use]
    pub fn write(self, len: usize) -> Vec<u8> {
        assert!(len >= HEADER_BYTES, "contents have room for their header");
        let mut bytes = Vec::with_capacity(len + 8);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.client.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&(len as u32).to_le_bytes());
        let mut word = self.client.rotate_left(32) ^ self.number ^ 0x9e37_79b9_7f4a_7c15;
        while bytes.len() < len {
            // xorshift64*: cheap, and never a long run of zeros.
            word ^= word >> 12;
            word ^= word << 25;
            word ^= word >> 27;
            bytes.extend_from_slice(&word.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// The author of the contents that begin here, and their length; none if these bytes are not
    /// whole contents, or not what their author wrote.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Author, usize)> {
        let header = bytes.get(..HEADER_BYTES)?;
        if header[..8] != MAGIC {
            return None;
        }
        let author = Author { client: word(header, 8), number: word(header, 16) };
        let len = u32::from_le_bytes(header[24..].try_into().ok()?) as usize;
        let whole = bytes.get(..len).filter(|_| len >= HEADER_BYTES)?;
        (whole == author.write(len)).then_some((author, len))
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Every record in a stretch of bytes, with its place; an error is the first place that holds
/// neither a whole record nor a zero.
pub fn scan(bytes: &[u8]) -> Result<Vec<(usize, Author, usize)>, usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == 0 {
            at += 1;
            continue;
        }
        let (author, len) = Author::read(&bytes[at..]).ok_or(at)?;
        found.push((at, author, len));
        at += len;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: Author = Author { client: 3, number: 77 };

    #[test]
    fn contents_name_their_author_and_nobody_else() {
        let bytes = AUTHOR.write(100);
        assert_eq!(Author::read(&bytes), Some((AUTHOR, 100)));
        for at in 0..100 {
            let mut other = bytes.clone();
            other[at] ^= 4;
            assert_eq!(Author::read(&other), None, "byte {at}");
        }
        assert_eq!(Author::read(&bytes[..99]), None, "cut off");
    }

    #[test]
    fn records_are_found_between_zeros_and_torn_ones_are_told() {
        let mut bytes = AUTHOR.write(65);
        bytes.extend([0; 13]);
        bytes.extend(Author { client: 1, number: 1 }.write(64));
        let found: Vec<_> =
            scan(&bytes).unwrap().iter().map(|(at, a, _)| (*at, a.client)).collect();
        assert_eq!(found, [(0, 3), (78, 1)]);
        bytes[80] ^= 1;
        assert_eq!(scan(&bytes), Err(78));
    }
}
