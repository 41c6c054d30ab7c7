//! Samples of what clients ask of masters, and of the answers.

use super::values::{chunk_status, cluster_status, file_info, members, safe_mode_status};
use super::{CHUNK, FILE, NODE, VERSION, constants};
use leasehold_proto::metadata::{
    ConstantsStatus, FileSpec, Location, MetadataAnswer, MetadataChange, MetadataQuery, Special,
    TrashEntry,
};
use leasehold_proto::tables::{ChunkRef, Holder};
use leasehold_proto::{
    ClientSession, ClusterConstant, Constants, ConstantsVersion, Extent, Lock, LockKind, LockOwner,
    NodeId, Path, Refusal, SetAttributes, SetTime, XattrCondition,
};
use std::time::Duration;

const HOLDER: Holder = Holder { session: ClientSession(0x51), owner: LockOwner(0x52) };
const RANGE: Extent = Extent { offset: 10, length: 20 };

/// Every variant of `MetadataChange`.
pub fn changes() -> Vec<MetadataChange> {
    let spec = FileSpec { replicas: 2, ..FileSpec::default() };
    let path = || Path::from("/logs/a");
    vec![
        MetadataChange::Create { path: path(), spec, mode: 0o644 },
        MetadataChange::Mkdir { path: "/logs".into(), mode: 0o755 },
        MetadataChange::MakeSpecial {
            path: Path::at(FILE, b"link"),
            what: Special::Symlink(b"../target".as_slice().into()),
            mode: 0o777,
        },
        MetadataChange::Link { from: Path::of(FILE), to: "/logs/c".into() },
        MetadataChange::Exchange { from: path(), to: "/logs/b".into() },
        MetadataChange::SetAttributes {
            path: Path::of(FILE),
            set: Box::new(SetAttributes {
                mode: Some(0o4755),
                uid: Some(1_000),
                gid: None,
                atime: Some(SetTime::Now),
                mtime: Some(SetTime::To(-1)),
            }),
        },
        MetadataChange::SetXattr {
            path: path(),
            name: "user.origin".into(),
            value: b"a\0b".as_slice().into(),
            condition: XattrCondition::Create,
        },
        MetadataChange::RemoveXattr { path: path(), name: "user.origin".into() },
        MetadataChange::Rename {
            from: path(),
            to: "/logs/b".into(),
            this: Some(FILE),
            no_replace: true,
        },
        MetadataChange::Delete { path: path(), this: None },
        MetadataChange::AddChunk { file: FILE, index: 2, slots: 1, epoch: 4 },
        MetadataChange::SetConstants {
            settings: vec![constants().setting(ClusterConstant::TrashRetention)],
        },
        MetadataChange::BeginSession,
        MetadataChange::Lock { file: FILE, holder: HOLDER, range: RANGE, kind: LockKind::Shared },
        MetadataChange::Unlock { file: FILE, holder: HOLDER, range: RANGE },
        MetadataChange::ForgetServer { node: NODE },
        MetadataChange::Restore { file: FILE, to: "/back".into(), no_replace: true },
        MetadataChange::EmptyTrash { files: vec![FILE] },
        MetadataChange::Truncate { file: FILE, length: 5 << 20, retired: vec![CHUNK] },
    ]
}

/// Every variant of `MetadataQuery`.
pub fn queries() -> Vec<MetadataQuery> {
    vec![
        MetadataQuery::Stat { path: "/".into() },
        MetadataQuery::Resolve { path: Path::at(FILE, b"a/b") },
        MetadataQuery::ReadLink { path: Path::of(FILE) },
        MetadataQuery::Xattr { path: Path::of(FILE), name: "user.origin".into() },
        MetadataQuery::Xattrs { path: Path::of(FILE) },
        MetadataQuery::StatFile { file: FILE },
        MetadataQuery::List { path: "/logs".into(), after: Some("a".into()) },
        MetadataQuery::Locate { file: FILE, index: 2, primary: true, stale: Some(VERSION) },
        MetadataQuery::Trash { after: Some(FILE) },
        MetadataQuery::Chunks { from: CHUNK },
        MetadataQuery::RenewSession { session: HOLDER.session },
        MetadataQuery::Conflict {
            file: FILE,
            holder: HOLDER,
            range: RANGE,
            kind: LockKind::Exclusive,
            wait: true,
        },
        MetadataQuery::Status,
        MetadataQuery::Constants,
        MetadataQuery::SafeMode,
        MetadataQuery::LeaveSafeMode,
    ]
}

/// Every variant of `MetadataAnswer`.
pub fn answers() -> Vec<MetadataAnswer> {
    vec![
        MetadataAnswer::File(file_info()),
        MetadataAnswer::Done,
        MetadataAnswer::List { entries: vec![("a".into(), file_info())], more: true },
        MetadataAnswer::Chunk(CHUNK),
        MetadataAnswer::Location(Location {
            chunk: CHUNK,
            version: VERSION,
            members: members(),
            primary: Some(NODE),
            last: true,
        }),
        MetadataAnswer::Trash {
            entries: vec![TrashEntry {
                info: file_info(),
                path: "/old".into(),
                stays_for: Duration::from_secs(3_600),
            }],
            more: true,
        },
        MetadataAnswer::Chunks { chunks: vec![chunk_status()], next: Some(CHUNK.next()) },
        MetadataAnswer::Status(Box::new(cluster_status())),
        MetadataAnswer::Constants(Box::new(ConstantsStatus {
            version: ConstantsVersion(2),
            values: constants(),
            changes_from: Some(constants()),
            leases_end_within: Some(Duration::from_secs(9)),
            behind: vec![NODE],
            silent: vec![NODE.next()],
        })),
        MetadataAnswer::SafeMode(Some(Box::new(safe_mode_status()))),
        MetadataAnswer::Session {
            session: HOLDER.session,
            term: Constants::default().lease_term(),
        },
        MetadataAnswer::Renewed(Constants::default().lease_term()),
        MetadataAnswer::Conflict(Some(Lock {
            holder: HOLDER,
            range: RANGE,
            kind: LockKind::Exclusive,
        })),
        MetadataAnswer::Bytes(b"value".as_slice().into()),
        MetadataAnswer::Xattrs(vec!["user.origin".into()]),
        MetadataAnswer::Truncated {
            chunks: 3,
            epoch: 4,
            behind: vec![ChunkRef { index: 2, chunk: CHUNK }],
        },
    ]
}

/// Every variant of `Refusal`.
pub fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::NotADirectory,
        Refusal::IsADirectory,
        Refusal::DirectoryNotEmpty,
        Refusal::Invalid("an empty name".into()),
        Refusal::NotNextChunk { chunks: 3 },
        Refusal::TooLarge { bytes_max: 4 << 20 },
        Refusal::Forgotten,
        Refusal::NotLeader { leader: Some(NodeId(2)) },
        Refusal::NoServers,
        Refusal::Stale { promised: VERSION },
        Refusal::NotPrimary,
        Refusal::NoSpace,
        Refusal::DiskFailed,
        Refusal::Corrupt,
        Refusal::Sealed,
        Refusal::Busy,
        Refusal::Lost,
        Refusal::PerhapsForgotten { below: 17 },
        Refusal::IdentitiesExhausted,
        Refusal::PermissionDenied,
        Refusal::NotPermitted,
        Refusal::SymlinkLoop,
        Refusal::TooManyLinks,
        Refusal::NameTooLong,
        Refusal::NoAttribute,
        Refusal::AttributesTooLarge,
        Refusal::NotSupported,
        Refusal::Locked,
        Refusal::SessionEnded,
        Refusal::TooManyLocks,
        Refusal::Retired,
        Refusal::Overtaken,
    ]
}
