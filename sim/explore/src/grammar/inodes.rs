//! Requests for what inodes have beside bytes: more names, symbolic links, modes, owners, extended
//! attributes. And who makes a request: the superuser, or one of two users with a group in common.

use super::Request;
use super::names::{Names, address, name};
use crate::draw::Draw;
use leasehold_proto::metadata::{MetadataChange, MetadataQuery, Special};
use leasehold_proto::{Caller, Name, SetAttributes, SetTime, XattrCondition};

/// The group that both users are in, and one that only the first is in.
const SHARED_GROUP: u32 = 100;
const OWN_GROUP: u32 = 7;

/// The credentials of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Further groups.
    pub groups: &'static [u32],
}

/// Everybody who makes requests.
pub const EVERYBODY: [Who; 3] = [
    Who { uid: 0, gid: 0, groups: &[] },
    Who { uid: 1, gid: 1, groups: &[SHARED_GROUP, OWN_GROUP] },
    Who { uid: 2, gid: 2, groups: &[SHARED_GROUP] },
];

impl Who {
    /// As a call carries it, at this time.
    #[must_use]
    pub fn caller(&self, clock_ns: i64) -> Box<Caller> {
        let Who { uid, gid, groups } = *self;
        Box::new(Caller { uid, gid, groups: groups.into(), clock_ns })
    }
}

/// A permission bit more or less decides: who owns, who is in the group, and who is neither.
pub fn mode(draw: &mut impl Draw) -> u16 {
    const MODES: [u16; 12] =
        [0o644, 0o600, 0o755, 0o4711, 0o777, 0o777, 0o1777, 0o2775, 0o700, 0o070, 0o2070, 0o6755];
    *draw.one_of(&MODES).expect("there are several")
}

impl Names {
    /// One request of those that this file is about.
    pub fn inode_request(&self, draw: &mut impl Draw) -> Request {
        match draw.within(0..=23) {
            0..=2 => self.symlink(draw),
            3 => self.special(draw),
            4..=6 => self.link(draw),
            7 | 8 => self.exchange(draw),
            9..=13 => {
                let (path, set) =
                    (self.address(&self.existing(draw), draw), Box::new(attributes(draw)));
                Request::Change(MetadataChange::SetAttributes { path, set })
            }
            14..=16 => self.set_xattr(draw),
            17 => {
                let (path, name) = (self.address(&self.existing(draw), draw), xattr(draw));
                Request::Change(MetadataChange::RemoveXattr { path, name })
            }
            _ => Request::Query(self.look(draw)),
        }
    }

    fn symlink(&self, draw: &mut impl Draw) -> Request {
        let (path, what) =
            (self.address(&self.place(draw), draw), Special::Symlink(self.target(draw)));
        Request::Change(MetadataChange::MakeSpecial { path, what, mode: 0o777 })
    }

    /// What a symbolic link contains: a name beside it, above it, from the root; itself; nothing that can
    /// be.
    fn target(&self, draw: &mut impl Draw) -> Box<[u8]> {
        let (one, other) = (name(draw), name(draw));
        let text = match draw.within(0..=13) {
            0..=3 => one,
            4 | 5 => format!("{one}/{other}"),
            6 => format!("../{one}"),
            7 => "..".to_owned(),
            8 => format!("./{one}/"),
            9 | 10 => self.existing(draw),
            11 => format!("/{one}"),
            12 => "x".repeat(usize::try_from(draw.near(4_095)).unwrap_or(1)),
            _ => String::new(),
        };
        address(&text).as_bytes().into()
    }

    fn special(&self, draw: &mut impl Draw) -> Request {
        let what = match draw.within(0..=3) {
            0 => Special::Fifo,
            1 => Special::Socket,
            2 => Special::CharDevice(0x0103),
            _ => Special::BlockDevice(0x0800),
        };
        let (path, mode) = (self.address(&self.place(draw), draw), mode(draw));
        Request::Change(MetadataChange::MakeSpecial { path, what, mode })
    }

    fn link(&self, draw: &mut impl Draw) -> Request {
        let (from, to) =
            (self.address(&self.existing(draw), draw), self.address(&self.place(draw), draw));
        Request::Change(MetadataChange::Link { from, to })
    }

    fn exchange(&self, draw: &mut impl Draw) -> Request {
        let (from, to) = (self.existing(draw), self.existing(draw));
        let (from, to) = (self.address(&from, draw), self.address(&to, draw));
        Request::Change(MetadataChange::Exchange { from, to })
    }

    fn set_xattr(&self, draw: &mut impl Draw) -> Request {
        let condition = match draw.within(0..=3) {
            0 => XattrCondition::Create,
            1 => XattrCondition::Replace,
            _ => XattrCondition::Any,
        };
        let bytes = if draw.permille(20) { draw.near(65_536) } else { draw.within(0..=20) };
        let fill = u8::try_from(draw.within(0..=255)).unwrap_or(0);
        let value = vec![fill; usize::try_from(bytes).unwrap_or(0)].into();
        let (path, name) = (self.address(&self.existing(draw), draw), xattr(draw));
        Request::Change(MetadataChange::SetXattr { path, name, value, condition })
    }

    fn look(&self, draw: &mut impl Draw) -> MetadataQuery {
        let path = self.address(&self.existing(draw), draw);
        match draw.within(0..=7) {
            0..=2 => MetadataQuery::Resolve { path },
            3 => MetadataQuery::ReadLink { path },
            4 => MetadataQuery::Xattrs { path },
            5 => MetadataQuery::Xattr { path, name: xattr(draw) },
            _ => MetadataQuery::Stat { path },
        }
    }
}

fn attributes(draw: &mut impl Draw) -> SetAttributes {
    let mut set = SetAttributes::default();
    let user = draw.one_of(&EVERYBODY).map(|who| who.uid);
    let group = draw.one_of(&[0, 1, 2, OWN_GROUP, SHARED_GROUP]).copied();
    match draw.within(0..=9) {
        0..=4 => set.mode = Some(mode(draw)),
        5 => set.uid = user,
        6 => set.gid = group,
        7 => (set.uid, set.gid, set.mode) = (user, group, Some(mode(draw))),
        8 => (set.atime, set.mtime) = (Some(SetTime::Now), Some(SetTime::Now)),
        _ => {
            set.atime = draw.permille(500).then_some(SetTime::Now);
            set.mtime = Some(SetTime::To(i64::try_from(draw.within(1..=9)).unwrap_or(1)));
        }
    }
    set
}

/// Of every name space, some that no name space has, and one that is too long.
fn xattr(draw: &mut impl Draw) -> Name {
    const FEW: [&str; 6] = ["user.a", "user.a", "user.b", "trusted.a", "security.a", "system.a"];
    match draw.within(0..=19) {
        0 => "user.".into(),
        1 => format!("user.{}", "x".repeat(250 + usize::from(draw.permille(500)))).into(),
        _ => (*draw.one_of(&FEW).expect("there are several")).into(),
    }
}
