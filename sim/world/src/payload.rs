//! Bytes with their checksum, made where the protocol core has none: outside it.

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use leasehold_proto::Payload;

/// Joins bytes with their CRC-32C.
#[must_use]
pub fn payload(data: impl Into<Bytes>) -> Payload {
    let data = data.into();
    let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &data);
    Payload::new(data, u32::try_from(crc).expect("a 32-bit CRC fits 32 bits"))
}
