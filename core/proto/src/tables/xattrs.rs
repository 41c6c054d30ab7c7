//! Extended attributes of one inode, with the limits and name spaces of Linux.

use super::inode::{Inode, InodeBody};
use super::permission::{READ, WRITE, check, check_owner};
use crate::attributes::{Caller, STICKY, XattrCondition};
use crate::path::{NAME_BYTES_MAX, Name};
use crate::refusal::Refusal;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Values by name.
pub type Xattrs = BTreeMap<Name, Box<[u8]>>;

/// Bytes in a value at the most, as Linux's `XATTR_SIZE_MAX`.
pub const XATTR_BYTES_MAX: usize = 65_536;
/// Bytes in all names and values of an inode at the most.
pub const XATTRS_BYTES_MAX: usize = 131_072;

impl Inode {
    /// Errors: `NoAttribute`, `AlreadyExists`, `AttributesTooLarge`, `NameTooLong`,
    /// `PermissionDenied`, `NotPermitted`, `NotSupported`.
    pub(super) fn set_xattr(
        &mut self,
        caller: &Caller,
        name: &Name,
        value: &[u8],
        condition: XattrCondition,
    ) -> Result<(), Refusal> {
        self.check_xattr(caller, name, WRITE)?;
        let known = self.xattrs.as_ref().and_then(|all| all.get(name));
        match (condition, known) {
            (XattrCondition::Create, Some(_)) => return Err(Refusal::AlreadyExists),
            (XattrCondition::Replace, None) => return Err(Refusal::NoAttribute),
            _ => {}
        }
        let others = self.xattrs.iter().flat_map(|all| all.iter());
        let others = others.filter(|(other, _)| *other != name);
        let bytes: usize = others.map(|(other, value)| other.as_bytes().len() + value.len()).sum();
        let all = bytes + name.as_bytes().len() + value.len();
        if value.len() > XATTR_BYTES_MAX || all > XATTRS_BYTES_MAX {
            return Err(Refusal::AttributesTooLarge);
        }
        self.xattrs.get_or_insert_default().insert(name.clone(), value.into());
        self.attributes.touch_ctime(caller.clock_ns);
        Ok(())
    }

    /// Errors: as [`Inode::set_xattr`].
    pub(super) fn remove_xattr(&mut self, caller: &Caller, name: &Name) -> Result<(), Refusal> {
        self.check_xattr(caller, name, WRITE)?;
        let all = self.xattrs.as_mut().ok_or(Refusal::NoAttribute)?;
        all.remove(name).ok_or(Refusal::NoAttribute)?;
        if all.is_empty() {
            self.xattrs = None;
        }
        self.attributes.touch_ctime(caller.clock_ns);
        Ok(())
    }

    /// Errors: `NoAttribute`, `NameTooLong`, `PermissionDenied`, `NotSupported`.
    pub fn xattr(&self, caller: &Caller, name: &Name) -> Result<&[u8], Refusal> {
        self.check_xattr(caller, name, READ)?;
        let value = self.xattrs.as_ref().and_then(|all| all.get(name));
        value.map(|value| &**value).ok_or(Refusal::NoAttribute)
    }

    /// In order of name; those that only the superuser may read, only for it.
    #[must_use]
    pub fn xattrs(&self, caller: &Caller) -> Vec<Name> {
        let seen = |name: &&Name| caller.uid == 0 || !name.as_bytes().starts_with(b"trusted.");
        self.xattrs.iter().flat_map(|all| all.keys()).filter(seen).cloned().collect()
    }

    /// `user.` is a matter of the file's mode, of files and directories only; the rest is the
    /// superuser's, and access control lists are not supported yet.
    fn check_xattr(&self, caller: &Caller, name: &Name, wanted: u16) -> Result<(), Refusal> {
        let bytes = name.as_bytes();
        if bytes.len() > NAME_BYTES_MAX {
            return Err(Refusal::NameTooLong);
        }
        let root = |hidden| match caller.uid {
            0 => Ok(()),
            _ => Err(hidden),
        };
        match bytes {
            _ if bytes.starts_with(b"user.") && bytes.len() > 5 => {
                if matches!(self.body, InodeBody::Special(_)) {
                    return Err(match wanted {
                        READ => Refusal::NoAttribute,
                        _ => Refusal::NotPermitted,
                    });
                }
                if wanted == WRITE && self.is_directory() && self.attributes.mode & STICKY != 0 {
                    check_owner(self, caller)?;
                }
                check(self, caller, wanted)
            }
            _ if bytes.starts_with(b"trusted.") && bytes.len() > 8 => root(match wanted {
                READ => Refusal::NoAttribute,
                _ => Refusal::NotPermitted,
            }),
            _ if bytes.starts_with(b"security.") && bytes.len() > 9 => match wanted {
                READ => Ok(()),
                _ => root(Refusal::NotPermitted),
            },
            _ => Err(Refusal::NotSupported),
        }
    }
}
