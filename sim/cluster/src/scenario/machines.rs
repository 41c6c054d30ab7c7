//! The sections about disks and the network.

use super::key::section;
use super::span::Span;
use super::units::MANY;
use crate::disk::Latency;
use crate::net::{LinkConditions, Rates};
use crate::seed::Stream;

section! {
    /// How disks behave.
    pub struct DiskBounds {
        /// Bytes on each.
        capacity_bytes: u64 = 1 << 30, 1 << 20..=1 << 50;
        /// How long an ordinary sync takes.
        sync_us: Span = Span::new(150, 2_000);
        /// This many syncs in a thousand take ten times as long.
        slow_sync_permille: u32 = 10;
        /// Bytes a second, reading or writing; each disk draws its own.
        bytes_per_second: Span = Span::new(100 << 20, 2_000 << 20), 64 << 10..=MANY;
        /// Disks that tear at 4096 bytes, in thousandths; the others tear at 512.
        large_sectors_permille: u32 = 500;
        /// Size of a journal generation: small, so that many begin.
        journal_bytes: u64 = 256 << 10, 4_096..=1 << 30;
        /// Log entries between two of the master's checkpoints: few, so that a run sees many.
        checkpoint_entries: u64 = 200, 1..=MANY;
    }
}

impl DiskBounds {
    /// The kind of disk that one draws.
    #[must_use]
    pub fn latency(&self, stream: &mut Stream) -> Latency {
        let large = stream.permille(self.large_sectors_permille);
        Latency {
            sector_bytes: if large { 4_096 } else { 512 },
            sync_ns: (self.sync_us.min * 1_000, self.sync_us.max * 1_000),
            slow_sync_permille: self.slow_sync_permille,
            bytes_per_second: self.bytes_per_second.draw(stream),
            ..Latency::default()
        }
    }
}

section! {
    /// How the network behaves without faults.
    pub struct NetworkBounds {
        /// How long a message is on its way.
        latency_us: Span = Span::new(50, 400);
        /// Messages in a million that take a detour.
        spike_ppm: u32 = 2_000;
        /// How long a detour takes.
        spike_ms: Span = Span::new(1, 20);
        /// Messages in a million that are lost.
        loss_ppm: Span = Span::new(0, 2_000), 0..=900_000;
        /// Messages in a million that arrive twice.
        duplicate_ppm: Span = Span::new(0, 2_000);
        /// Bytes a second of a node's card, each way.
        card_bytes_per_second: u64 = Rates::default().card, 4 << 10..=MANY;
        /// Bytes a second between a rack and what is outside of it, each way: other racks, and clients,
        /// which are in none.
        uplink_bytes_per_second: u64 = Rates::default().uplink, 4 << 10..=MANY;
        /// Cards and uplinks hand a message on as soon as so much of it has passed, as a switch does
        /// that forwards frames. Left out: when all of it has, so that a message of 1 MiB takes its
        /// transfer time once for each card and uplink on its way.
        #[serde(skip_serializing_if = "Option::is_none")]
        frame_bytes: Option<u64> = None, 64..=1 << 30;
        /// A message that would wait longer than this for a card or an uplink is dropped. Left out:
        /// 500 ms.
        #[serde(skip_serializing_if = "Option::is_none")]
        wait_max_ms: Option<u64> = None;
    }
}

impl NetworkBounds {
    /// What cards and uplinks carry.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let plain = Rates::default();
        Rates {
            card: self.card_bytes_per_second,
            uplink: self.uplink_bytes_per_second,
            frame_bytes: self.frame_bytes.unwrap_or(plain.frame_bytes),
            wait_ns_max: self.wait_max_ms.map_or(plain.wait_ns_max, |ms| ms * 1_000_000),
        }
    }

    /// The good day that a seed drew.
    pub fn conditions(&self, stream: &mut Stream) -> LinkConditions {
        let thousand = |span: Span, factor: u64| (span.min * factor, span.max * factor);
        LinkConditions {
            latency_ns: thousand(self.latency_us, 1_000),
            spike_ppm: self.spike_ppm,
            spike_ns: thousand(self.spike_ms, 1_000_000),
            loss_ppm: self.loss_ppm.draw(stream) as u32,
            duplicate_ppm: self.duplicate_ppm.draw(stream) as u32,
            ..LinkConditions::default()
        }
    }
}
