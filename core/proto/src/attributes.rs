//! What an inode has beside its content, and who calls: as POSIX has them.

use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// Nanoseconds since 1970, by the clock of a client.
pub type Nanoseconds = i64;

/// Who calls, and when. The master believes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// User; 0 may do everything.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Further groups.
    pub groups: Box<[u32]>,
    /// The caller's wall clock at the call.
    pub clock_ns: Nanoseconds,
}

impl Caller {
    /// The superuser, at a time.
    #[must_use]
    pub fn root(clock_ns: Nanoseconds) -> Caller {
        Caller { uid: 0, gid: 0, groups: Box::default(), clock_ns }
    }

    /// Is it in this group?
    #[must_use]
    pub fn is_in(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}

/// Set-user-id.
pub const SET_UID: u16 = 0o4000;
/// Set-group-id; of a directory: what is made in it gets its group.
pub const SET_GID: u16 = 0o2000;
/// Of a directory: only owners remove from it.
pub const STICKY: u16 = 0o1000;
/// All bits that a mode has.
pub const MODE_BITS: u16 = 0o7777;

/// What every inode has.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Attributes {
    /// Permission bits with set-id and sticky, as `chmod` takes them.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names that lead to it; of a directory 2 and one for each directory in it.
    pub links: u32,
    /// Last read, as far as clients say so.
    pub atime_ns: Nanoseconds,
    /// Last change of its content.
    pub mtime_ns: Nanoseconds,
    /// Last change of its content or attributes; never goes back.
    pub ctime_ns: Nanoseconds,
    /// When it was made.
    pub birth_ns: Nanoseconds,
}

impl Attributes {
    /// Of what a caller makes.
    #[must_use]
    pub fn new(caller: &Caller, mode: u16, links: u32) -> Attributes {
        let now = caller.clock_ns;
        Attributes {
            mode: mode & MODE_BITS,
            uid: caller.uid,
            gid: caller.gid,
            links,
            atime_ns: now,
            mtime_ns: now,
            ctime_ns: now,
            birth_ns: now,
        }
    }

    /// Does the mode give the caller all of these bits: 4 to read, 2 to write, 1 to search or execute?
    #[must_use]
    pub fn permits(&self, caller: &Caller, wanted: u16) -> bool {
        let class = match () {
            () if caller.uid == self.uid => 6,
            () if caller.is_in(self.gid) => 3,
            () => 0,
        };
        caller.uid == 0 || (self.mode >> class) & wanted == wanted
    }

    /// Its attributes changed. Clients' clocks differ: no time of change goes back.
    pub fn touch_ctime(&mut self, now: Nanoseconds) {
        self.ctime_ns = self.ctime_ns.max(now);
    }

    /// Its content changed. A caller without a clock leaves the time as it is.
    pub fn touch_mtime(&mut self, now: Nanoseconds) {
        if now != 0 {
            self.mtime_ns = now;
        }
        self.touch_ctime(now);
    }
}

/// A time that `utimensat` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SetTime {
    /// To the caller's clock.
    Now,
    /// To this.
    To(Nanoseconds),
}

/// What a change of attributes sets; none leaves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SetAttributes {
    /// `chmod`.
    pub mode: Option<u16>,
    /// `chown`.
    pub uid: Option<u32>,
    /// `chgrp`.
    pub gid: Option<u32>,
    /// `utimensat`.
    pub atime: Option<SetTime>,
    /// `utimensat`.
    pub mtime: Option<SetTime>,
}

/// When a `setxattr` does anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum XattrCondition {
    /// Always.
    #[default]
    Any,
    /// Only if it has none of that name: `XATTR_CREATE`.
    Create,
    /// Only if it has one: `XATTR_REPLACE`.
    Replace,
}
