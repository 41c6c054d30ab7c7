//! Changes of what an inode has beside its content and names: mode, owner, times, extended attributes.

use super::Last;
use crate::attributes::{
    Caller, MODE_BITS, SET_GID, SET_UID, SetAttributes, SetTime, XattrCondition,
};
use crate::ids::FileId;
use crate::metadata::FileInfo;
use crate::path::{Name, Path};
use crate::refusal::Refusal;
use crate::tables::inode::{Inode, InodeTable};
use crate::tables::permission::{WRITE, check, check_owner};

impl InodeTable {
    /// Sets what is given; all or nothing. Gives what it is then.
    pub(in crate::tables) fn set_attributes(
        &mut self,
        caller: &Caller,
        path: &Path,
        set: &SetAttributes,
    ) -> Result<FileInfo, Refusal> {
        let file = self.find(path, caller, Last::Itself)?;
        check_set(self.inode(file)?, caller, set)?;
        let inode = self.get_mut(file);
        inode.own(set);
        if let Some(mode) = set.mode {
            inode.set_mode(caller, mode);
        }
        let time = |set: SetTime| match set {
            SetTime::Now => caller.clock_ns,
            SetTime::To(time) => time,
        };
        let attributes = &mut inode.attributes;
        attributes.atime_ns = set.atime.map_or(attributes.atime_ns, time);
        attributes.mtime_ns = set.mtime.map_or(attributes.mtime_ns, time);
        attributes.touch_ctime(caller.clock_ns);
        Ok(inode.info(file))
    }

    pub(in crate::tables) fn set_xattr(
        &mut self,
        caller: &Caller,
        path: &Path,
        name: &Name,
        value: &[u8],
        condition: XattrCondition,
    ) -> Result<(), Refusal> {
        self.found_mut(caller, path)?.set_xattr(caller, name, value, condition)
    }

    pub(in crate::tables) fn remove_xattr(
        &mut self,
        caller: &Caller,
        path: &Path,
        name: &Name,
    ) -> Result<(), Refusal> {
        self.found_mut(caller, path)?.remove_xattr(caller, name)
    }

    fn found_mut(&mut self, caller: &Caller, path: &Path) -> Result<&mut Inode, Refusal> {
        let file: FileId = self.find(path, caller, Last::Itself)?;
        self.inode(file)?;
        Ok(self.get_mut(file))
    }
}

fn check_set(inode: &Inode, caller: &Caller, set: &SetAttributes) -> Result<(), Refusal> {
    let of = &inode.attributes;
    if set.mode.is_some() {
        check_owner(inode, caller)?;
    }
    let gives_away = set.uid.is_some_and(|uid| uid != of.uid);
    if gives_away && caller.uid != 0 {
        return Err(Refusal::NotPermitted);
    }
    if set.uid.is_some() || set.gid.is_some() {
        check_owner(inode, caller)?;
    }
    let other_group = set.gid.is_some_and(|gid| gid != of.gid && !caller.is_in(gid));
    if other_group && caller.uid != 0 {
        return Err(Refusal::NotPermitted);
    }
    let times = [set.atime, set.mtime];
    if times.iter().any(|time| matches!(time, Some(SetTime::To(_)))) {
        return check_owner(inode, caller);
    }
    if times.iter().any(Option::is_some) && check_owner(inode, caller).is_err() {
        return check(inode, caller, WRITE);
    }
    Ok(())
}

impl Inode {
    /// A file that changes its owner or group runs with nobody's rights.
    fn own(&mut self, set: &SetAttributes) {
        let is_directory = self.is_directory();
        let attributes = &mut self.attributes;
        if (set.uid.is_some() || set.gid.is_some()) && !is_directory {
            attributes.mode &= !SET_UID;
            if attributes.mode & 0o010 != 0 {
                attributes.mode &= !SET_GID;
            }
        }
        attributes.uid = set.uid.unwrap_or(attributes.uid);
        attributes.gid = set.gid.unwrap_or(attributes.gid);
    }

    fn set_mode(&mut self, caller: &Caller, mode: u16) {
        let foreign = caller.uid != 0 && !caller.is_in(self.attributes.gid);
        let mode = if foreign { mode & !SET_GID } else { mode };
        self.attributes.mode = mode & MODE_BITS;
    }
}
