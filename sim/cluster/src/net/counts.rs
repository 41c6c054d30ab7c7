//! A network's life in numbers.

use serde::Serialize;

/// What the network did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NetCounts {
    /// Frames handed to it.
    pub sent: u64,
    /// Frames handed to a node.
    pub delivered: u64,
    /// Bytes of those.
    pub delivered_bytes: u64,
    /// Frames that no receiver would take.
    pub oversized: u64,
    /// Frames that met a partition.
    pub cut: u64,
    /// Frames that a full card or uplink dropped.
    #[serde(rename = "queue_overflow")]
    pub crowded: u64,
    /// Frames lost on the way.
    pub lost: u64,
    /// Frames that came twice.
    pub duplicated: u64,
    /// Frames that did not decode: their receiver refuses them.
    pub corrupt: u64,
    /// Frames for a node that is down.
    #[serde(rename = "undeliverable")]
    pub nobody: u64,
    /// Frames for a node whose inbox was full.
    #[serde(rename = "inbox_overflow")]
    pub overflowed: u64,
}

impl NetCounts {
    /// What was counted since these were those.
    #[must_use]
    pub fn since(&self, earlier: &NetCounts) -> NetCounts {
        NetCounts {
            sent: self.sent - earlier.sent,
            delivered: self.delivered - earlier.delivered,
            delivered_bytes: self.delivered_bytes - earlier.delivered_bytes,
            oversized: self.oversized - earlier.oversized,
            cut: self.cut - earlier.cut,
            crowded: self.crowded - earlier.crowded,
            lost: self.lost - earlier.lost,
            duplicated: self.duplicated - earlier.duplicated,
            corrupt: self.corrupt - earlier.corrupt,
            nobody: self.nobody - earlier.nobody,
            overflowed: self.overflowed - earlier.overflowed,
        }
    }
}
