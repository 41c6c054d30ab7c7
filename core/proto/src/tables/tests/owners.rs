//! Chunks and the layouts that refer to them: owners, truncations, what may go.

use super::*;

/// A second file refers to the first chunk of `file`, as a clone would.
fn share(log: &mut Log, path: &str, chunk: ChunkHandle) -> FileId {
    let file = log.create(path).unwrap();
    log.state.inodes.layout_mut(file, 0).unwrap().put(0, chunk);
    log.state.chunks.add_owner(chunk, false);
    log.state.assert_invariants();
    file
}

#[test]
fn a_chunk_goes_with_its_last_owner_only() {
    // One owner has a name, or both are in the trash: in either order each gives the chunk up.
    for both_trashed in [false, true] {
        let mut log = Log::new();
        let first = log.create("/f").unwrap();
        let chunk = log.add_chunk(first, 0).unwrap();
        log.configure(chunk, 0, 3, &[10, 11]);
        let second = share(&mut log, "/g", chunk);
        let free = |file| Command::Free { file, chunk, base: ChunkVersion(3) };
        assert_eq!(log.state.release(first, chunk), None, "it has a name");
        log.delete("/f").unwrap();
        if both_trashed {
            log.delete("/g").unwrap();
        }
        let owners =
            Owners { named: u32::from(!both_trashed), trashed: 1 + u32::from(both_trashed) };
        assert_eq!(log.state.chunks[chunk].owners, owners);
        assert_eq!(log.state.release(first, chunk), Some(Release::Kept));
        let released = [Consequence::Released { file: first, chunk }, Consequence::Purged(first)];
        assert_eq!(log.apply(free(first)), released);
        assert_eq!(log.apply(free(first)), IGNORED, "once");
        log.state.assert_invariants();
        let config = log.state.chunks[chunk].config.clone().unwrap();
        assert_eq!(config.version, ChunkVersion(3), "nothing happened to the chunk itself");
        if !both_trashed {
            assert_eq!(log.state.release(second, chunk), None);
            assert_eq!(log.apply(free(second)), IGNORED, "it has a name");
            log.delete("/g").unwrap();
        }
        assert_eq!(log.state.release(second, chunk), Some(Release::LastOwner));
        let members = members(&[10, 11]);
        let freed = Consequence::Freed { chunk, base: ChunkVersion(3), members };
        assert_eq!(log.apply(free(second)), [freed, Consequence::Purged(second)]);
        assert!(!log.state.chunks.contains(chunk));
        log.state.assert_invariants();
    }
}

/// A Free is prepared for the last owner; before it commits another file refers to the chunk.
#[test]
fn an_owner_that_comes_in_between_keeps_the_chunk() {
    let mut log = Log::new();
    let first = log.create("/f").unwrap();
    let chunk = log.add_chunk(first, 0).unwrap();
    log.delete("/f").unwrap();
    assert_eq!(log.state.release(first, chunk), Some(Release::LastOwner));
    let second = share(&mut log, "/g", chunk);
    let free = Command::Free { file: first, chunk, base: ChunkVersion(0) };
    let released = [Consequence::Released { file: first, chunk }, Consequence::Purged(first)];
    assert_eq!(log.apply(free), released);
    assert_eq!(log.state.chunks_of(second), [chunk]);
    log.state.assert_invariants();
}

#[test]
fn an_empty_file_is_purged() {
    let mut log = Log::new();
    let file = log.create("/f").unwrap();
    log.delete("/f").unwrap();
    assert_eq!(log.apply(Command::Purge { file }), [Consequence::Purged(file)]);
    assert_eq!(log.apply(Command::Purge { file }), IGNORED);
    assert_eq!(log.state.counts().trashed, 0);
}
