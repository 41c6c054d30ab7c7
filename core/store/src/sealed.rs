//! Files that are written whole: a new one replaces the old one by a rename, so that a reader
//! finds one or the other and never a mixture.

use crate::disk::{Disk, DiskError, Open};
use crate::error::StoreError;

/// Begins every file of this crate except the raw bytes of a chunk.
pub(crate) const MAGIC: [u8; 8] = *b"LEASEHLD";
/// The version of every format in `FORMAT.md`.
pub(crate) const FORMAT_VERSION: u32 = 6;
/// Magic, kind, version: what every file begins with, whatever its version.
pub(crate) const PREAMBLE_BYTES: usize = 16;
const HEADER_BYTES: usize = 32;
pub(crate) const TEMPORARY: &str = ".tmp";

/// What a file is, as four letters in its preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileKind(pub [u8; 4]);

pub(crate) const JOURNAL: FileKind = FileKind(*b"JRNL");
pub(crate) const CHUNK_META: FileKind = FileKind(*b"META");
pub(crate) const CHECKPOINT: FileKind = FileKind(*b"CKPT");
pub(crate) const SNAPSHOT: FileKind = FileKind(*b"SNAP");
pub(crate) const IDENTITY: FileKind = FileKind(*b"IDNT");

/// The preamble of a file of this kind.
pub(crate) fn preamble(kind: FileKind) -> [u8; PREAMBLE_BYTES] {
    let mut bytes = [0; PREAMBLE_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&kind.0);
    bytes[12..].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes
}

/// Refuses a file that is not of this kind and version.
pub(crate) fn check_preamble(name: &str, bytes: &[u8], kind: FileKind) -> Result<(), StoreError> {
    if bytes.len() < PREAMBLE_BYTES {
        return Err(StoreError::corrupt(name, 0, "shorter than its preamble"));
    }
    if bytes[..8] != MAGIC {
        return Err(StoreError::corrupt(name, 0, "not a file of this program"));
    }
    if bytes[8..12] != kind.0 {
        return Err(StoreError::corrupt(name, 8, "a file of another kind"));
    }
    match u32_at(bytes, 12) {
        FORMAT_VERSION => Ok(()),
        found => {
            Err(StoreError::Version { name: name.to_owned(), found, expected: FORMAT_VERSION })
        }
    }
}

/// The whole file around `body`.
pub(crate) fn seal(kind: FileKind, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&preamble(kind));
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc(body).to_le_bytes());
    bytes.extend_from_slice(&crc(&bytes).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The body of a sealed file, verified.
pub(crate) fn unseal<'a>(
    name: &str,
    bytes: &'a [u8],
    kind: FileKind,
) -> Result<&'a [u8], StoreError> {
    check_preamble(name, bytes, kind)?;
    if bytes.len() < HEADER_BYTES {
        return Err(StoreError::corrupt(name, 16, "shorter than its header"));
    }
    if crc(&bytes[..28]) != u32_at(bytes, 28) {
        return Err(StoreError::corrupt(name, 28, "header checksum"));
    }
    let body = &bytes[HEADER_BYTES..];
    if body.len() as u64 != u64_at(bytes, 16) {
        return Err(StoreError::corrupt(name, 16, "not as long as its header says"));
    }
    if crc(body) != u32_at(bytes, 24) {
        return Err(StoreError::corrupt(name, 24, "body checksum"));
    }
    Ok(body)
}

/// Replaces `folder/file`. Its bytes are durable; its name is so after `sync_dir(folder)`, which
/// is left to the caller so that several files can share one.
pub(crate) fn replace<D: Disk>(
    disk: &D,
    name: &str,
    kind: FileKind,
    body: &[u8],
) -> Result<(), DiskError> {
    let temporary = format!("{name}{TEMPORARY}");
    let written = write_new(disk, &temporary, &seal(kind, body));
    let renamed = written.and_then(|()| disk.rename(&temporary, name));
    if matches!(renamed, Err(DiskError::NoSpace { .. })) {
        // Best effort: a leftover is overwritten by the next attempt and removed at open.
        let _ = disk.remove(&temporary);
    }
    renamed
}

fn write_new<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let file = disk.open(name, Open::Create)?;
    disk.set_len(&file, 0)?;
    disk.write_at(&file, 0, bytes)?;
    disk.sync_data(&file).map_err(|error| failed_sync(name, &error))
}

/// A sync that failed lost data, even if all that it lacked was room.
pub(crate) fn failed_sync(name: &str, error: &DiskError) -> DiskError {
    DiskError::Failed { name: name.to_owned(), what: format!("sync: {error}") }
}

/// The body of the sealed file `name`, or none if there is no such file.
pub(crate) fn load<D: Disk>(
    disk: &D,
    name: &str,
    kind: FileKind,
) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match disk.open(name, Open::Existing) {
        Ok(file) => file,
        Err(DiskError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bytes = read_whole(disk, &file)?;
    unseal(name, &bytes, kind).map(|body| Some(body.to_vec()))
}

/// All bytes of a file.
pub(crate) fn read_whole<D: Disk>(disk: &D, file: &D::File) -> Result<Vec<u8>, StoreError> {
    let length = usize::try_from(disk.len(file)?).expect("a metadata file fits in memory");
    let mut bytes = vec![0; length];
    let read = disk.read_at(file, 0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Removes what an interrupted `replace` left in a folder; the other names.
pub(crate) fn clean_folder<D: Disk>(disk: &D, folder: &str) -> Result<Vec<String>, StoreError> {
    let mut kept = Vec::new();
    for name in disk.list(folder)? {
        if name.ends_with(TEMPORARY) {
            disk.remove(&join(folder, &name))?;
        } else {
            kept.push(name);
        }
    }
    Ok(kept)
}

/// The names in a folder, sorted; none if there is no such folder.
pub(crate) fn listed<D: Disk>(disk: &D, folder: &str) -> Result<Vec<String>, DiskError> {
    match disk.list(folder) {
        Err(DiskError::NotFound { .. }) => Ok(Vec::new()),
        listed => listed,
    }
}

/// `folder/file`, or the file alone at the top.
pub(crate) fn join(folder: &str, file: &str) -> String {
    if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") }
}

/// CRC-32C.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
