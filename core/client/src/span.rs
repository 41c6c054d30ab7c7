//! Cuts a range of a file into pieces that one operation can carry.

/// A range inside one chunk, at most as long as one operation may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which chunk of the file.
    pub index: u64,
    /// Where in the chunk.
    pub offset: u64,
    /// Bytes; never zero.
    pub length: u64,
}

/// How a file is cut. Pieces end at multiples of `piece_bytes` in their chunk, so that pieces of
/// a long transfer cover whole checksum blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// The file's chunk size in bytes.
    pub chunk_bytes: u64,
    /// A piece at the most, in bytes.
    pub piece_bytes: u64,
}

impl Cut {
    /// The longest piece that begins at byte `at` of the file, `length` bytes at the most.
    pub fn piece(&self, at: u64, length: u64) -> Piece {
        let index = at / self.chunk_bytes;
        let offset = at % self.chunk_bytes;
        let to_boundary = self.piece_bytes - offset % self.piece_bytes;
        let to_chunk_end = self.chunk_bytes - offset;
        Piece { index, offset, length: length.min(to_boundary).min(to_chunk_end) }
    }

    /// Where in the file a byte of a chunk is.
    pub fn position(&self, index: u64, offset: u64) -> u64 {
        index * self.chunk_bytes + offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(cut: Cut, mut at: u64, mut length: u64) -> Vec<(u64, u64, u64)> {
        let mut pieces = Vec::new();
        while length > 0 {
            let piece = cut.piece(at, length);
            assert_eq!(cut.position(piece.index, piece.offset), at);
            pieces.push((piece.index, piece.offset, piece.length));
            at += piece.length;
            length -= piece.length;
        }
        pieces
    }

    #[test]
    fn pieces_end_at_their_multiples_and_at_chunk_ends() {
        let cut = Cut { chunk_bytes: 10, piece_bytes: 4 };
        assert_eq!(all(cut, 3, 14), [(0, 3, 1), (0, 4, 4), (0, 8, 2), (1, 0, 4), (1, 4, 3)]);
    }

    #[test]
    fn a_chunk_smaller_than_a_piece_is_one_piece() {
        let cut = Cut { chunk_bytes: 3, piece_bytes: 8 };
        assert_eq!(all(cut, 1, 6), [(0, 1, 2), (1, 0, 3), (2, 0, 1)]);
    }
}
