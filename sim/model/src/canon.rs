//! A hasher that sees what is the same: states that differ only in what no step looks at hash
//! alike.
//!
//! Two kinds of numbers grow for ever in a run that goes in circles: what clocks show, and
//! counters. `leasehold_proto::kind` tells which is which while a machine is hashed by its derived
//! `Hash`, so that no list of fields is kept here, and a field that somebody adds is seen.
//!
//! - **Times** are hashed relative to what the node's own clock shows. A machine compares times
//!   with `now` and with each other, and adds durations: nothing in it depends on the zero. Times
//!   further back than every duration of the cluster's constants are all hashed as one: every
//!   comparison with them has had its answer for good. (`Time(0)`, the core's word for "long ago",
//!   is long ago for every node, since clocks begin above that horizon: `Shape::clocks_begin_ns`.)
//! - **Epochs** are only compared, so each is hashed as its place among the epochs that there were.
//! - **I/O** ids are used once and only compared: of those in flight each is its place among them,
//!   all others are one.
//! - **Attempts** are looked up in the table of the server that asked: of those in it each is its
//!   place from the newest, all others are one. (The grant of an earlier life is refused by its
//!   incarnation before its attempt is looked at, so its number says nothing either.)
//! - **Log indices** are left out here: how far a master lags is hashed beside it, and the order
//!   of clients' sessions decides only who is forgotten first among thousands.

use leasehold_proto::{Attempt, IoId, Kind, Time};
use std::hash::Hasher;

/// How one node's numbers are to be seen.
#[derive(Clone, Copy, Debug)]
pub struct Lens<'a> {
    /// What the node's clock shows.
    pub now: Time,
    /// Times further back than this, in nanoseconds, are all the same.
    pub horizon_ns: u64,
    /// Indices of the log's `NewLeader` entries, ascending.
    pub epochs: &'a [u64],
    /// The node's I/O in flight, ascending.
    pub io: &'a [IoId],
    /// The questions whose answers still matter to the server in question, ascending.
    pub questions: &'a [Attempt],
}

/// The hasher; without a lens it takes every number as it is.
#[derive(Clone, Debug)]
pub struct Canon<'a> {
    lens: Option<Lens<'a>>,
    announced: Option<Kind>,
    state: u64,
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const INCREMENT: u64 = 0xd6e8_feb8_6659_fd93;
/// What stands for all numbers of a kind that are past mattering.
const PAST: u64 = u64::MAX;

impl<'a> Canon<'a> {
    /// Sees through the lens, if there is one.
    #[must_use]
    pub fn new(lens: Option<Lens<'a>>) -> Self {
        Canon { lens, announced: None, state: INCREMENT }
    }

    /// Takes one word. Folded multiplication: 64 bits, of which each depends on each before.
    pub fn word(&mut self, word: u64) {
        let wide = u128::from(self.state ^ word) * u128::from(MULTIPLIER);
        let folded = (wide as u64) ^ ((wide >> 64) as u64);
        self.state = folded.rotate_left(23).wrapping_add(INCREMENT);
    }

    fn counted(&mut self, kind: Kind, number: u64) {
        let Some(lens) = self.lens else { return self.word(number) };
        let place = |found: Result<usize, usize>| found.map_or(PAST, |place| place as u64);
        match kind {
            Kind::LogIndex => {}
            Kind::Epoch => self.word(place(lens.epochs.binary_search(&number))),
            Kind::IoId => self.word(place(lens.io.binary_search(&IoId(number)))),
            Kind::Attempt => {
                let found = lens.questions.binary_search(&Attempt(number));
                let from_newest = found.map(|place| lens.questions.len() - 1 - place);
                self.word(place(from_newest));
            }
        }
    }
}

impl Hasher for Canon<'_> {
    fn finish(&self) -> u64 {
        let mut last = self.clone();
        last.word(MULTIPLIER);
        last.state
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
    }

    fn write_i8(&mut self, kind: i8) {
        self.announced = Some(Kind::of(kind).expect("only kinds are announced so"));
    }

    fn write_i64(&mut self, time: i64) {
        let time = time.cast_unsigned();
        let Some(lens) = self.lens.filter(|_| time != Time::NEVER.0) else {
            return self.word(time);
        };
        let ahead = i128::from(time) - i128::from(lens.now.0);
        let ahead = ahead.max(-i128::from(lens.horizon_ns));
        self.word(i64::try_from(ahead).unwrap_or(i64::MAX).cast_unsigned());
    }

    fn write_u64(&mut self, number: u64) {
        match self.announced.take() {
            Some(kind) => self.counted(kind, number),
            None => self.word(number),
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.word(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.word(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.word(number.cast_unsigned() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::Epoch;
    use std::hash::Hash;

    const LENS: Lens<'_> = Lens {
        now: Time(1_000),
        horizon_ns: 100,
        epochs: &[1, 7],
        io: &[IoId(3), IoId(5)],
        questions: &[Attempt(8), Attempt(9)],
    };

    fn seen(lens: Lens<'_>, what: impl Hash) -> u64 {
        let mut canon = Canon::new(Some(lens));
        what.hash(&mut canon);
        canon.finish()
    }

    #[test]
    fn times_count_from_now() {
        let later = Lens { now: Time(5_000), ..LENS };
        assert_eq!(seen(LENS, Time(1_010)), seen(later, Time(5_010)));
        assert_eq!(seen(LENS, Time(950)), seen(later, Time(4_950)));
        assert_ne!(seen(LENS, Time(950)), seen(LENS, Time(951)));
    }

    #[test]
    fn times_beyond_the_horizon_are_one_and_those_ahead_are_not() {
        assert_eq!(seen(LENS, Time(900)), seen(LENS, Time(0)));
        assert_ne!(seen(LENS, Time(901)), seen(LENS, Time(0)));
        assert_ne!(seen(LENS, Time(2_000)), seen(LENS, Time(3_000)));
        assert_ne!(seen(LENS, Time::NEVER), seen(LENS, Time(0)));
    }

    #[test]
    fn counters_are_their_places() {
        let other = Lens { epochs: &[2, 90], io: &[IoId(6), IoId(8)], ..LENS };
        assert_eq!(seen(LENS, (Epoch(7), IoId(3))), seen(other, (Epoch(90), IoId(6))));
        assert_ne!(seen(LENS, IoId(3)), seen(LENS, IoId(5)));
        assert_eq!(seen(LENS, IoId(1)), seen(LENS, IoId(77)));
        assert_eq!(seen(LENS, Attempt(2)), seen(LENS, Attempt(3)));
        assert_ne!(seen(LENS, Attempt(8)), seen(LENS, Attempt(9)));
    }

    #[test]
    fn without_a_lens_everything_is_as_it_is() {
        let plain = |what: Time| {
            let mut canon = Canon::new(None);
            what.hash(&mut canon);
            canon.finish()
        };
        assert_ne!(plain(Time(0)), plain(Time(900)));
    }
}
