//! rename, with RENAME_NOREPLACE and RENAME_EXCHANGE: XSH rename and rename(2).

use super::paths::{Entry, PATH_BYTES_MAX, WRITE};
use super::why::{Errno, Why};
use super::{Done, Ino, Posix};
use leasehold_proto::{Caller, FileId, Path};

/// A name that moves.
#[derive(Clone, Copy)]
struct Moved<'a> {
    ino: Ino,
    from: Entry<'a>,
    to: Entry<'a>,
}

impl Posix {
    pub(super) fn rename(
        &mut self,
        caller: &Caller,
        (from, to): (&Path, &Path),
        this: Option<FileId>,
        no_replace: bool,
    ) -> Result<Done, Why> {
        let mut why = Why::default();
        let (from, to) = self.both(caller, from, to, &mut why);
        if let Some(to) = to {
            why.must_if(no_replace && to.found.is_some(), Errno::Exists);
        }
        let Some((from, ino)) = from else { return Err(why) };
        self.check_meant(ino, this, &mut why);
        let Some(to) = to else { return Err(why) };
        let moved = Moved { ino, from, to };
        // Two names of one file: nothing is done, whatever else would forbid it.
        let is_same = to.found == Some(ino);
        if !is_same {
            self.check_leaves(moved, caller, &mut why);
            match to.found {
                None => self.check_change(to.directory, caller, &mut why),
                Some(replaced) => {
                    self.check_removal(to.directory, replaced, caller, &mut why);
                    self.check_replaced(moved, replaced, &mut why);
                }
            }
        }
        let why = why.check()?;
        self.was_meant(ino, this)?;
        if !is_same {
            self.put(moved, caller);
        }
        Done::nothing_shown(why)
    }

    pub(super) fn exchange(
        &mut self,
        caller: &Caller,
        from: &Path,
        to: &Path,
    ) -> Result<Done, Why> {
        let mut why = Why::default();
        let (one, other) = self.both(caller, from, to, &mut why);
        if let Some(Entry { found: None, .. }) = other {
            why.must(Errno::NotFound);
        }
        let (Some((one, ino)), Some(other)) = (one, other) else { return Err(why) };
        let Some(second) = other.found else { return Err(why) };
        let there = Moved { ino, from: one, to: other };
        let back = Moved { ino: second, from: other, to: one };
        if ino == second {
            return Done::nothing_shown(why.check()?);
        }
        self.check_leaves(there, caller, &mut why);
        self.check_leaves(back, caller, &mut why);
        let why = why.check()?;
        for moved in [there, back] {
            self.set_entry(moved.to.directory, moved.to.name, Some(moved.ino));
            self.arrived(moved, caller);
            self.names_changed(moved.to.directory, caller, 0);
        }
        Done::nothing_shown(why)
    }

    /// The two names; of the first also what it leads to.
    fn both<'a>(
        &self,
        caller: &Caller,
        from: &'a Path,
        to: &'a Path,
        why: &mut Why,
    ) -> (Option<(Entry<'a>, Ino)>, Option<Entry<'a>>) {
        let from = self.find_entry(from, caller, Errno::Invalid, why);
        let to = self.find_entry(to, caller, Errno::Invalid, why);
        let found = from.and_then(|from| Some((from, from.found?)));
        why.must_if(from.is_some() && found.is_none(), Errno::NotFound);
        (found, to)
    }

    /// May this name be taken away, and may what it leads to be where it is to be?
    fn check_leaves(&self, moved: Moved<'_>, caller: &Caller, why: &mut Why) {
        let Moved { ino, from, to } = moved;
        self.check_removal(from.directory, ino, caller, why);
        let node = self.known(ino);
        if !node.is_directory() {
            return;
        }
        why.must_if(self.is_within(to.directory, ino), Errno::Invalid);
        // The entry `..` is rewritten.
        let moves = from.directory != to.directory;
        why.must_if(moves && !node.allows(caller, WRITE), Errno::Access);
        let path = |entry: Entry<'_>| self.path_bytes(entry.directory) + 1 + entry.name.len();
        let grows = (moves || to.name.len() > from.name.len()) && path(to) > path(from);
        // DESIGN-2 §2: limits hold for what results. What is moved into itself results in nothing.
        let fits = || path(to) + self.deepest(ino) <= PATH_BYTES_MAX;
        why.must_if(grows && !fits(), Errno::TooLong);
    }

    fn check_replaced(&self, moved: Moved<'_>, replaced: Ino, why: &mut Why) {
        let by_directory = self.known(moved.ino).is_directory();
        let is_empty = self.entries(replaced).next().is_none();
        match (by_directory, self.known(replaced).is_directory()) {
            (false, false) => {}
            // Also if it is the directory that the file is in, where Linux says ENOTEMPTY.
            (false, true) => {
                why.must(Errno::IsADirectory);
                if !is_empty {
                    why.may(Errno::NotEmpty);
                }
            }
            (true, false) => why.must(Errno::NotADirectory),
            (true, true) => why.must_if(!is_empty, Errno::NotEmpty),
        }
    }

    fn put(&mut self, moved: Moved<'_>, caller: &Caller) {
        let Moved { ino, from, to } = moved;
        self.set_entry(from.directory, from.name, None);
        self.set_entry(to.directory, to.name, Some(ino));
        let replaces_directory =
            to.found.is_some_and(|replaced| self.known(replaced).is_directory());
        self.arrived(moved, caller);
        self.names_changed(from.directory, caller, 0);
        self.names_changed(to.directory, caller, -i32::from(replaces_directory));
        if let Some(replaced) = to.found {
            self.unlinked(replaced, caller);
        }
    }

    /// An inode has a name elsewhere. A directory counts as a link of the one that it is in.
    fn arrived(&mut self, moved: Moved<'_>, caller: &Caller) {
        let Moved { ino, from, to } = moved;
        self.alter(ino, |node| node.times.changed(caller.clock_ns));
        if !self.known(ino).is_directory() {
            return;
        }
        self.alter(ino, |node| node.parent = to.directory);
        self.alter(from.directory, |node| node.links -= 1);
        self.alter(to.directory, |node| node.links += 1);
    }
}
