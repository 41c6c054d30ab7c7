//! The credentials of a session's calls.

use leasehold_proto::Caller;
use leasehold_runtime::clock::wall_clock_ns;

/// User, groups and umask. The cluster believes what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User; 0 may do everything.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Further groups.
    pub groups: Box<[u32]>,
    /// Permission bits that what is made does not get.
    pub umask: u16,
}

/// The superuser, with the usual umask: what a session has until [`Client::as_caller`].
///
/// [`Client::as_caller`]: crate::Client::as_caller
impl Default for Identity {
    fn default() -> Self {
        Identity { uid: 0, gid: 0, groups: Box::default(), umask: 0o022 }
    }
}

impl Identity {
    /// As a call carries it, now.
    #[must_use]
    pub fn caller(&self) -> Box<Caller> {
        let Identity { uid, gid, groups, .. } = self;
        let clock_ns = wall_clock_ns();
        Box::new(Caller { uid: *uid, gid: *gid, groups: groups.clone(), clock_ns })
    }
}
