//! Why a call is refused.

use leasehold_proto::Refusal;
use std::fmt;

/// As errno has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errno {
    /// ENOENT.
    NotFound,
    /// EEXIST.
    Exists,
    /// ENOTDIR.
    NotADirectory,
    /// EISDIR.
    IsADirectory,
    /// ENOTEMPTY.
    NotEmpty,
    /// EINVAL; of the root also where POSIX has EBUSY.
    Invalid,
    /// ENAMETOOLONG; of the name of an extended attribute ERANGE.
    TooLong,
    /// EACCES.
    Access,
    /// EPERM.
    Permission,
    /// ELOOP.
    Loop,
    /// EMLINK.
    Links,
    /// ENODATA.
    NoAttribute,
    /// E2BIG, ENOSPC of an inode's extended attributes.
    TooLarge,
    /// EOPNOTSUPP.
    NotSupported,
}

impl Errno {
    const ALL: [Errno; 14] = [
        Errno::NotFound,
        Errno::Exists,
        Errno::NotADirectory,
        Errno::IsADirectory,
        Errno::NotEmpty,
        Errno::Invalid,
        Errno::TooLong,
        Errno::Access,
        Errno::Permission,
        Errno::Loop,
        Errno::Links,
        Errno::NoAttribute,
        Errno::TooLarge,
        Errno::NotSupported,
    ];

    /// None of a refusal that says nothing about names and inodes.
    pub fn of(refusal: &Refusal) -> Option<Errno> {
        Some(match refusal {
            Refusal::NotFound => Errno::NotFound,
            Refusal::AlreadyExists => Errno::Exists,
            Refusal::NotADirectory => Errno::NotADirectory,
            Refusal::IsADirectory => Errno::IsADirectory,
            Refusal::DirectoryNotEmpty => Errno::NotEmpty,
            // The words that go with it are for people.
            Refusal::Invalid(_) => Errno::Invalid,
            Refusal::NameTooLong => Errno::TooLong,
            Refusal::PermissionDenied => Errno::Access,
            Refusal::NotPermitted => Errno::Permission,
            Refusal::SymlinkLoop => Errno::Loop,
            Refusal::TooManyLinks => Errno::Links,
            Refusal::NoAttribute => Errno::NoAttribute,
            Refusal::AttributesTooLarge => Errno::TooLarge,
            Refusal::NotSupported => Errno::NotSupported,
            _ => return None,
        })
    }
}

/// The reasons that a state gives to refuse a call.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Why {
    /// It has to be refused, for one of these or of `may`.
    must: u16,
    /// It may be.
    may: u16,
}

impl Why {
    /// This forbids the call.
    pub fn must(&mut self, errno: Errno) {
        self.must |= 1 << errno as u16;
    }

    /// This may be given as the reason, if the call is refused, or it may be allowed.
    pub fn may(&mut self, errno: Errno) {
        self.may |= 1 << errno as u16;
    }

    /// This forbids the call, if `condition` holds.
    pub fn must_if(&mut self, condition: bool, errno: Errno) {
        if condition {
            self.must(errno);
        }
    }

    /// The reasons of another part of the call.
    pub fn add(&mut self, other: Why) {
        self.must |= other.must;
        self.may |= other.may;
    }

    /// Does nothing forbid the call?
    pub fn is_allowed(&self) -> bool {
        self.must == 0
    }

    /// Can the call be refused with this?
    pub fn allows(&self, refusal: &Refusal) -> bool {
        Errno::of(refusal).is_some_and(|errno| (self.must | self.may) >> errno as u16 & 1 == 1)
    }

    /// Itself as an error, if it forbids the call.
    pub fn check(self) -> Result<Why, Why> {
        if self.is_allowed() { Ok(self) } else { Err(self) }
    }
}

impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |bits: u16| -> Vec<Errno> {
            Errno::ALL.into_iter().filter(|errno| bits >> *errno as u16 & 1 == 1).collect()
        };
        write!(f, "must {:?}, may {:?}", of(self.must), of(self.may))
    }
}
