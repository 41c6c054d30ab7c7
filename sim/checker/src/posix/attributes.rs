//! chmod, chown, utimensat, setxattr, removexattr.

use super::changes::{ALL_BITS, SET_GID, SET_UID, STICKY};
use super::paths::{Last, NAME_BYTES_MAX, READ, WRITE};
use super::state::{Node, Value, is_in};
use super::why::{Errno, Why};
use super::{Done, Ino, Posix};
use leasehold_proto::metadata::FileKind;
use leasehold_proto::{Caller, Name, Path, SetAttributes, SetTime, XattrCondition};

/// Bytes in a value at the most: `XATTR_SIZE_MAX`.
const VALUE_BYTES_MAX: usize = 65_536;
/// Bytes in all names and values of an inode at the most.
const XATTRS_BYTES_MAX: usize = 131_072;

impl Posix {
    pub(super) fn set_attributes(
        &mut self,
        caller: &Caller,
        path: &Path,
        set: &SetAttributes,
    ) -> Result<Done, Why> {
        let mut why = Why::default();
        let Some(ino) = self.find(path, caller, Last::Itself, &mut why) else { return Err(why) };
        check_set(self.known(ino), caller, set, &mut why);
        let why = why.check()?;
        self.alter(ino, |node| {
            node.change_owner(set);
            node.change_mode(caller, set.mode);
            let time = |set: SetTime| match set {
                SetTime::Now => caller.clock_ns,
                SetTime::To(time) => time,
            };
            node.times.atime = set.atime.map_or(node.times.atime, time);
            node.times.mtime = set.mtime.map_or(node.times.mtime, time);
            node.times.changed(caller.clock_ns);
        });
        Done::shows(ino, why)
    }

    /// Sets a value under a condition, or removes one.
    pub(super) fn set_xattr(
        &mut self,
        caller: &Caller,
        path: &Path,
        name: &Name,
        set: Option<(&[u8], XattrCondition)>,
    ) -> Result<Done, Why> {
        let mut why = Why::default();
        let Some(ino) = self.find(path, caller, Last::Itself, &mut why) else { return Err(why) };
        check_name(self.known(ino), caller, name, WRITE, &mut why);
        let is_there = self.xattr(ino, name).is_some();
        let value = match set {
            None => {
                why.must_if(!is_there, Errno::NoAttribute);
                None
            }
            Some((value, condition)) => {
                let condition = match (condition, is_there) {
                    (XattrCondition::Create, true) => Some(Errno::Exists),
                    (XattrCondition::Replace, false) => Some(Errno::NoAttribute),
                    _ => None,
                };
                condition.into_iter().for_each(|errno| why.must(errno));
                why.must_if(!self.has_room(ino, name, value), Errno::TooLarge);
                Some(Value::from(value))
            }
        };
        let why = why.check()?;
        self.set_value(ino, name, value);
        self.alter(ino, |node| node.times.changed(caller.clock_ns));
        Done::nothing_shown(why)
    }

    fn has_room(&self, ino: Ino, name: &Name, value: &[u8]) -> bool {
        let others = self.xattrs(ino).filter(|(other, _)| *other != name);
        let others = others.map(|(name, value)| name.as_bytes().len() + value.len());
        let bytes = others.sum::<usize>() + name.as_bytes().len() + value.len();
        value.len() <= VALUE_BYTES_MAX && bytes <= XATTRS_BYTES_MAX
    }
}

fn check_set(node: &Node, caller: &Caller, set: &SetAttributes, why: &mut Why) {
    let owned = node.is_owned_by(caller);
    let privileged = caller.uid == 0;
    let chowns = set.uid.is_some() || set.gid.is_some();
    why.must_if((set.mode.is_some() || chowns) && !owned, Errno::Permission);
    // _POSIX_CHOWN_RESTRICTED: no owner gives a file away, or to a group that it is not in.
    let other_user = set.uid.is_some_and(|uid| uid != node.uid);
    why.must_if(other_user && !privileged, Errno::Permission);
    let foreign = set.gid.is_some_and(|gid| gid != node.gid && !is_in(caller, gid));
    why.must_if(foreign && !privileged, Errno::Permission);
    let times = [set.atime, set.mtime];
    if owned || times == [None, None] {
        return;
    }
    // XSH futimens: who may write may set both to the present, and nothing else. Of one of them alone the
    // product leaves open whether it is a write of nothing.
    let now = |time: &Option<SetTime>| *time == Some(SetTime::Now);
    if times.iter().any(|time| time.is_some() && !now(time)) {
        why.must(Errno::Permission);
    } else if !node.allows(caller, WRITE) {
        why.must(Errno::Access);
        why.may(Errno::Permission);
    } else if !times.iter().all(now) {
        why.may(Errno::Permission);
    }
}

/// The name spaces of xattr(7).
pub(super) fn check_name(node: &Node, caller: &Caller, name: &Name, access: u16, why: &mut Why) {
    let bytes = name.as_bytes();
    why.must_if(bytes.len() > NAME_BYTES_MAX, Errno::TooLong);
    let privileged = caller.uid == 0;
    let hidden = if access == READ { Errno::NoAttribute } else { Errno::Permission };
    let space = bytes.iter().position(|byte| *byte == b'.').map(|dot| bytes.split_at(dot + 1));
    match space {
        Some((_, [])) | None => {
            why.must(Errno::NotSupported);
            why.may(Errno::Invalid);
        }
        Some((b"user.", _)) => {
            if !matches!(node.kind, FileKind::File(_) | FileKind::Directory) {
                why.must(hidden);
                return;
            }
            why.must_if(!node.allows(caller, access), Errno::Access);
            let sticky = node.is_directory() && node.mode & STICKY != 0;
            let guarded = sticky && access == WRITE && !node.is_owned_by(caller);
            why.must_if(guarded, Errno::Permission);
        }
        Some((b"trusted.", _)) => why.must_if(!privileged, hidden),
        Some((b"security.", _)) => {
            why.must_if(!privileged && access == WRITE, Errno::Permission);
        }
        Some(_) => why.must(Errno::NotSupported),
    }
}

impl Node {
    /// chown(2): a file that changes hands loses its set-user-ID bit, and its set-group-ID bit if its group
    /// may execute it; also if the superuser does it.
    fn change_owner(&mut self, set: &SetAttributes) {
        if set.uid.is_none() && set.gid.is_none() {
            return;
        }
        if !self.is_directory() {
            let set_gid = if self.mode & 0o010 != 0 { SET_GID } else { 0 };
            self.mode &= !(SET_UID | set_gid);
        }
        self.uid = set.uid.unwrap_or(self.uid);
        self.gid = set.gid.unwrap_or(self.gid);
    }

    /// chmod(2): the set-group-ID bit is not given by one who is not in the group.
    fn change_mode(&mut self, caller: &Caller, mode: Option<u16>) {
        let Some(mode) = mode else { return };
        let foreign = caller.uid != 0 && !is_in(caller, self.gid);
        let mode = if foreign { mode & !SET_GID } else { mode };
        self.mode = mode & ALL_BITS;
    }
}
