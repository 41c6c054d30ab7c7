//! What a seed prefers: swarm testing (Groce et al., ISSTA 2012) over kinds of requests.

use super::Verb;
use crate::draw::Draw;

const VERBS: [(Verb, u64); 11] = [
    (Verb::Create, 3),
    (Verb::Mkdir, 2),
    (Verb::Rename, 4),
    (Verb::Delete, 3),
    (Verb::Stat, 3),
    (Verb::List, 4),
    (Verb::Status, 1),
    (Verb::Write, 20),
    (Verb::Append, 16),
    (Verb::Read, 18),
    (Verb::Truncate, 6),
];

/// What a run is to try more than anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torture {
    /// Deep trees: directories in directories, moved as a whole.
    Trees,
    /// Links: many names of one file, symbolic links to links.
    Links,
    /// Renames and exchanges, of what others rename.
    Renames,
    /// Names that are long, or are taken for something else.
    Names,
    /// Locks of few files, and what is written under them.
    Locks,
}

/// How frequent each kind of request is, and how often one goes to a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    weights: [u64; VERBS.len()],
    /// Of a thousand values, how many are at a limit.
    pub(super) limits_permille: u64,
    /// Of a thousand requests for data, how many go to the newest file.
    pub(super) hot_permille: u64,
    /// Of a thousand requests, how many are for links, modes, owners and extended attributes.
    pub(super) inodes_permille: u64,
    /// Of a thousand requests, how many are not the superuser's.
    pub(super) users_permille: u64,
    /// Of a thousand requests for data, how many go to a file that has no name any more.
    pub(super) unnamed_permille: u64,
    /// Of a thousand requests, how many lock or unlock.
    pub(super) locks_permille: u64,
}

impl Style {
    /// Most kinds as usual, some never, some eight times as often.
    pub fn draw(draw: &mut impl Draw) -> Self {
        let mut times = || *draw.one_of(&[0, 1, 1, 1, 1, 8]).expect("there are several");
        let weights = VERBS.map(|(_, usual)| usual * times());
        Style {
            weights,
            limits_permille: *draw.one_of(&[50, 200, 700]).expect("there are several"),
            hot_permille: *draw.one_of(&[0, 300, 900]).expect("there are several"),
            inodes_permille: *draw.one_of(&[0, 60, 60, 150, 500]).expect("there are several"),
            users_permille: *draw.one_of(&[0, 100, 300, 700]).expect("there are several"),
            unnamed_permille: *draw.one_of(&[50, 150, 400]).expect("there are several"),
            locks_permille: *draw.one_of(&[0, 0, 60, 250]).expect("there are several"),
        }
    }

    /// The same, with what a torture wants.
    pub(super) fn tortured(mut self, by: Torture) -> Self {
        let mut weigh = |wanted: &[(Verb, u64)]| {
            for ((verb, _), weight) in VERBS.iter().zip(&mut self.weights) {
                *weight = wanted.iter().find(|(one, _)| one == verb).map_or(1, |(_, times)| *times);
            }
        };
        match by {
            Torture::Trees => weigh(&[(Verb::Mkdir, 40), (Verb::Rename, 20), (Verb::Stat, 10)]),
            Torture::Renames => weigh(&[(Verb::Rename, 60), (Verb::Mkdir, 10), (Verb::List, 10)]),
            Torture::Links => weigh(&[(Verb::Create, 10), (Verb::Delete, 20), (Verb::Stat, 10)]),
            Torture::Names => weigh(&[(Verb::Create, 20), (Verb::Rename, 20), (Verb::List, 20)]),
            Torture::Locks => weigh(&[(Verb::Write, 60), (Verb::Read, 20)]),
        }
        if by == Torture::Locks {
            (self.locks_permille, self.inodes_permille, self.users_permille) = (400, 0, 0);
            return self;
        }
        self.inodes_permille = match by {
            Torture::Links => 700,
            Torture::Renames => 250,
            Torture::Trees | Torture::Names | Torture::Locks => 150,
        };
        self.users_permille = 300;
        self
    }

    pub(super) fn verb(&self, draw: &mut impl Draw) -> Verb {
        draw.by_weight(&self.weights).map_or(Verb::Write, |place| VERBS[place].0)
    }
}
