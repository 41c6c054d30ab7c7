//! Writing meta files, so that old generations of the journal can go: a few chunks after each
//! batch, never all at once.

use crate::chunk::{self, ChunkMeta};
use crate::chunk_store::ChunkStore;
use crate::data_files;
use crate::disk::{Disk, DiskError};
use crate::error::{StoreError, Trouble};
use crate::sealed;
use leasehold_proto::ChunkHandle;

/// A start that finds more generations than this writes meta files before it continues.
const GENERATIONS_AT_OPEN_MAX: usize = 4;

/// Writes the meta files of a few chunks that the oldest generations are kept for, and drops the
/// generations that no chunk needs. Without room, all stays as it is.
pub(crate) fn some<D: Disk>(store: &mut ChunkStore<D>) -> Result<(), Trouble> {
    if store.journal.generations() == 1 {
        return Ok(());
    }
    let current = store.journal.current_first_lsn();
    let chunks: Vec<ChunkHandle> = store
        .state
        .dirty
        .range(..current)
        .map(|(_, &chunk)| chunk)
        .take(store.options.checkpoint_chunks_max.max(1))
        .collect();
    if !chunks.is_empty() {
        write_metas(store, &chunks)?;
    }
    drop_covered(store)
}

/// Repeated crashes leave a generation each: catches up before there are many.
pub(crate) fn catch_up<D: Disk>(store: &mut ChunkStore<D>) -> Result<(), StoreError> {
    while store.journal.generations() > GENERATIONS_AT_OPEN_MAX {
        match some(store) {
            Ok(()) => {}
            Err(Trouble::Full) => return Ok(()),
            Err(Trouble::Failed) => {
                let (name, what) = (chunk::FOLDER.to_owned(), "checkpoint failed".to_owned());
                return Err(DiskError::Failed { name, what }.into());
            }
        }
    }
    Ok(())
}

fn write_metas<D: Disk>(store: &mut ChunkStore<D>, chunks: &[ChunkHandle]) -> Result<(), Trouble> {
    // Everything below is applied. The journal must not end before what a meta file includes.
    store.journal.sync(&store.disk)?;
    let included = store.journal.next_lsn() - 1;
    for handle in chunks {
        let chunk = &store.state.chunks[handle];
        // The journal's copy of bytes goes, so their place must have them.
        let synced = store.files.sync(&store.disk, chunk.data);
        synced.map_err(|error| Trouble::of_sync(&error))?;
        let meta = ChunkMeta::of(chunk, &store.state.replicas, store.options.block_bytes, included);
        let name = ChunkMeta::name(*handle);
        sealed::replace(&store.disk, &name, sealed::CHUNK_META, &meta.to_bytes())
            .map_err(|error| Trouble::of_write(&error))?;
        // It was of the chunk's life before.
        store.stale_metas.remove(handle);
    }
    store.disk.sync_dir(chunk::FOLDER).map_err(|error| Trouble::of_sync(&error))?;
    chunks.iter().for_each(|handle| store.state.set_clean(*handle));
    Ok(())
}

/// Removes the meta file of a chunk that was deleted, if there is one.
pub(crate) fn remove_meta<D: Disk>(disk: &D, chunk: ChunkHandle) -> Result<(), DiskError> {
    match disk.remove(&ChunkMeta::name(chunk)) {
        Err(DiskError::NotFound { .. }) => Ok(()),
        removed => removed,
    }
}

/// Names that were removed must be gone for good before the records that say so are.
fn drop_covered<D: Disk>(store: &mut ChunkStore<D>) -> Result<(), Trouble> {
    let next = store.journal.next_lsn();
    let needed = store.state.dirty.first_key_value().map_or(next, |(&lsn, _)| lsn);
    if !store.journal.oldest_is_covered(needed) {
        return Ok(());
    }
    while let Some(&stale) = store.stale_metas.first() {
        remove_meta(&store.disk, stale).map_err(|error| Trouble::of_write(&error))?;
        store.stale_metas.remove(&stale);
    }
    for folder in [chunk::FOLDER, data_files::FOLDER] {
        store.disk.sync_dir(folder).map_err(|error| Trouble::of_sync(&error))?;
    }
    while store.journal.oldest_is_covered(needed) {
        store.journal.drop_oldest(&store.disk)?;
    }
    Ok(())
}
