//! A network of our own, carrying encoded frames between nodes. madsim's is too kind (FINDINGS:
//! no half-open connections, no duplication, one latency for all) and slower than its users.

mod counts;
mod lanes;
pub mod link;
#[cfg(madsim)]
mod network;

pub use counts::NetCounts;
pub use lanes::{Lane, Lanes, Rates};
pub use link::{Cuts, LinkConditions};
#[cfg(madsim)]
pub use network::{Delivery, Network, PacketCarrier, SimOutbox, Tap};
