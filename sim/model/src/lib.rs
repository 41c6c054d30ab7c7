//! Every run of World within bounds, of the machines that ship.
//!
//! A model ([`models`]) begins where a script ends and explores everything that may happen from
//! there (`offers`), within [`Bounds`]. What makes that finite is
//! how states are distinguished: [`canon`] sees through clocks and counters, `digest` says what of
//! a cluster makes a state. A run to a violation is told as a script ([`story`]) that replays in
//! World. Suggested order: `bounds`, `offers`, `reductions`, `canon`, `digest`, `space`, `search`,
//! `heal`, `story`, `models`.

pub mod bounds;
pub mod state;
mod offers;
pub mod canon;
pub mod digest;
pub mod reductions;
pub mod space;
pub mod heal;
mod known;
pub mod search;
pub mod explore;
pub mod story;
pub mod models;

pub use bounds::{Bounds, Left};
pub use heal::Healed;
pub use reductions::Reductions;
pub use search::{Effort, Explored, Found, search};
pub use space::{Space, Step};
pub use state::ModelState;
