//! What makes models small, and why nothing is lost by it. Each can be switched off alone:
//! `tests/it/reductions.rs` searches with and without.

/// Which reductions are made. All of them, unless somebody checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reductions {
    /// **Relative time, places for counters** (`canon`). What clocks show and how high counters
    /// have counted is nothing that a step looks at. Without it a run that goes in circles never
    /// comes back to a state.
    pub relative: bool,
    /// **Who is due looks at its clock at once**, and who learns without acting learns at once
    /// (`offers::at_once`).
    pub at_once: bool,
    /// **A question that waits already is not requested again** (`offers::is_idle_talk`).
    pub idle_talk: bool,
    /// **Only who may act is deposed.** A follower that is told so continues as it did.
    pub depose_who_acts: bool,
    /// **I/O is durable and unheard only where a crash may follow.** Otherwise nobody can tell it
    /// from I/O that is not durable yet.
    pub persist_before_crash: bool,
}

impl Reductions {
    /// Every one.
    pub const ALL: Reductions = Reductions {
        relative: true,
        at_once: true,
        idle_talk: true,
        depose_who_acts: true,
        persist_before_crash: true,
    };

    /// None: every number as it is, every step offered.
    pub const NONE: Reductions = Reductions {
        relative: false,
        at_once: false,
        idle_talk: false,
        depose_who_acts: false,
        persist_before_crash: false,
    };

    /// Each by name, with all the others in place.
    #[must_use]
    pub fn each_left_out() -> [(&'static str, Reductions); 5] {
        let all = Reductions::ALL;
        [
            ("relative", Reductions { relative: false, ..all }),
            ("at_once", Reductions { at_once: false, ..all }),
            ("idle_talk", Reductions { idle_talk: false, ..all }),
            ("depose_who_acts", Reductions { depose_who_acts: false, ..all }),
            ("persist_before_crash", Reductions { persist_before_crash: false, ..all }),
        ]
    }
}
