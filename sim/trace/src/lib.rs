//! Runs shown to people: records, traces, the last events before a failure, and its page.
//!
//! A runner that sees inputs, effects, lives, faults and the network reports to a [`Recorder`]. The
//! [`Record`]s that come out are the format that everything else here reads; nothing knows which
//! runner they are from.
//!
//! # `trace.jsonl`
//!
//! The first line has the `kind` `run` and says what ran: `commit` and `sources` of the build, `scenario`,
//! `seed`, `rules_left_out`, `constants`. Then one [`Record`] a line, in the order in which things happened; absent fields do not apply. Times
//! are nanoseconds, `true_ns` of true time from the start of the run and `local_ns` of the node's
//! own clock. Nodes, chunks, versions, sequences and requests are integers as in the protocol
//! (`n7` is 7, `c1` is 1); an `op` is `{"client": node, "number": n}`. `kind` is one of `input`,
//! `effect`, `event` (a fact that a machine emits), `outside` (lives of processes), `fault`,
//! `network` (what did not go as it should). `step` is the `event` of the input that an effect
//! or a fact belongs to, and `flow` is the same number at both ends of a message: with the two, the
//! cause of everything can be followed back to a clock, a person or a fault. For example, how long
//! each message was on its way:
//!
//! ```sh
//! jq -s 'map(select(.flow)) | group_by(.flow)[] | {m: .[0].message, ns: (.[-1].true_ns - .[0].true_ns)}'
//! ```

pub mod naming;
pub mod renamed;
pub mod say;
pub mod record;
pub mod words;

pub mod flows;
pub mod trace;
pub mod recorder;
pub mod requests;

pub mod focus;
pub mod page;
pub mod perfetto;
pub mod plot;
pub mod spans;
pub mod excerpt;

pub use flows::{Fate, Passage};
pub use focus::Focus;
pub use naming::{Naming, Role};
pub use page::Story;
pub use record::{Record, RecordKind};
pub use recorder::{Fault, Life, Moment, Recorder};
pub use trace::{Finding, Node, Title, Trace};
pub use words::message_name;
