//! The disk keeps POSIX's word and breaks everything else; each test names what it must break.

use super::*;

fn disk(seed: u64) -> SimDisk {
    SimDisk::new(Seed(seed), 0, Latency::default(), 1 << 20)
}

fn create(disk: &SimDisk, name: &str, data: &[u8]) -> SimFile {
    let file = disk.open(name, Open::Create).unwrap();
    disk.write_at(&file, 0, data).unwrap();
    file
}

fn read(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(name, Open::Existing).ok()?;
    let mut buf = vec![0; disk.len(&file).unwrap() as usize];
    assert_eq!(disk.read_at(&file, 0, &mut buf).unwrap(), buf.len());
    Some(buf)
}

#[test]
fn what_was_synced_survives_every_crash() {
    for seed in 0..200 {
        let disk = disk(seed);
        disk.create_dir("d").unwrap();
        let file = create(&disk, "d/a", &[7; 3_000]);
        disk.sync_data(&file).unwrap();
        disk.sync_dir("d").unwrap();
        disk.write_at(&file, 3_000, &[9; 3_000]).unwrap();
        let disk = disk.crash();
        let bytes = read(&disk, "d/a").expect("its name was synced");
        assert_eq!(bytes[..3_000], [7; 3_000]);
    }
}

#[test]
fn unsynced_writes_are_kept_lost_and_torn_by_sector() {
    let (mut kept, mut lost, mut torn, mut out_of_order) = (0, 0, 0, 0);
    for seed in 0..300 {
        let disk = disk(seed);
        let file = create(&disk, "a", &[1; 4_096]);
        disk.sync_data(&file).unwrap();
        disk.sync_dir("").unwrap();
        disk.write_at(&file, 0, &[2; 4_096]).unwrap();
        let bytes = read(&disk.crash(), "a").unwrap();
        for sector in bytes.chunks(512) {
            assert!(sector.iter().all(|b| *b == sector[0]), "a sector is never torn");
        }
        match bytes.iter().filter(|b| **b == 2).count() {
            0 => lost += 1,
            4_096 => kept += 1,
            _ => torn += 1,
        }
        out_of_order += u32::from(bytes[0] == 1 && bytes[4_095] == 2);
    }
    assert!(kept > 20 && lost > 20 && torn > 20 && out_of_order > 20);
}

#[test]
fn a_later_unsynced_write_may_survive_an_earlier_one() {
    let survived = |seed| {
        let disk = disk(seed);
        let file = create(&disk, "a", &[0; 1_024]);
        disk.sync_data(&file).unwrap();
        disk.sync_dir("").unwrap();
        disk.write_at(&file, 0, &[1; 512]).unwrap();
        disk.write_at(&file, 512, &[2; 512]).unwrap();
        let bytes = read(&disk.crash(), "a").unwrap();
        (bytes[0], bytes[512])
    };
    let seen: std::collections::BTreeSet<_> = (0..200).map(survived).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(0, 0), (0, 2), (1, 0), (1, 2)]);
}

#[test]
fn names_without_a_synced_folder_may_be_lost() {
    let (mut old, mut new, mut neither) = (0, 0, 0);
    for seed in 0..300 {
        let disk = disk(seed);
        let file = create(&disk, "a", b"old");
        disk.sync_data(&file).unwrap();
        disk.sync_dir("").unwrap();
        let file = create(&disk, "a.tmp", b"new");
        disk.sync_data(&file).unwrap();
        disk.rename("a.tmp", "a").unwrap();
        match read(&disk.crash(), "a").as_deref() {
            Some(b"old") => old += 1,
            Some(b"new") => new += 1,
            _ => neither += 1,
        }
    }
    assert!(old > 50 && new > 50, "{old} {new}");
    assert_eq!(neither, 0, "a rename is atomic and replaces a durable name by a synced file");
}

#[test]
fn a_removed_name_may_come_back_until_its_folder_is_synced() {
    let back = |sync: bool, seed| {
        let disk = disk(seed);
        let file = create(&disk, "a", b"x");
        disk.sync_data(&file).unwrap();
        disk.sync_dir("").unwrap();
        disk.remove("a").unwrap();
        if sync {
            disk.sync_dir("").unwrap();
        }
        read(&disk.crash(), "a").is_some()
    };
    assert!((0..100).any(|seed| back(false, seed)));
    assert!(!(0..100).any(|seed| back(true, seed)));
}

#[test]
fn an_ordinary_restart_loses_nothing() {
    let disk = disk(1);
    create(&disk, "a", b"unsynced");
    assert_eq!(read(&disk.reopen(), "a").unwrap(), b"unsynced");
}

#[test]
fn a_handle_of_an_earlier_life_reaches_nothing() {
    let old = disk(1);
    let file = create(&old, "a", b"one");
    let new = old.reopen();
    assert!(old.write_at(&file, 0, b"two").is_err());
    assert!(old.sync_data(&file).is_err());
    assert!(!old.powered());
    assert_eq!(read(&new, "a").unwrap(), b"one");
}

#[test]
fn the_power_fails_at_the_operation_that_was_set() {
    let disk = disk(5);
    let file = create(&disk, "a", &[1; 512]);
    disk.sync_data(&file).unwrap();
    disk.sync_dir("").unwrap();
    disk.fail_power_after(2);
    disk.write_at(&file, 0, &[2; 512]).unwrap();
    assert!(disk.powered());
    assert!(disk.sync_data(&file).is_err(), "the second operation");
    assert!(!disk.powered());
    assert!(disk.write_at(&file, 0, &[3; 512]).is_err());
    let byte = read(&disk.crash(), "a").unwrap()[0];
    assert!(byte == 1 || byte == 2, "what came after the failure is not there");
}

#[test]
fn the_write_at_which_the_power_fails_may_be_there() {
    let kept = |seed| {
        let disk = disk(seed);
        let file = create(&disk, "a", &[1; 512]);
        disk.sync_data(&file).unwrap();
        disk.sync_dir("").unwrap();
        disk.fail_power_after(1);
        assert!(disk.write_at(&file, 0, &[2; 512]).is_err());
        read(&disk.crash(), "a").unwrap()[0] == 2
    };
    let count = (0..100).filter(|seed| kept(*seed)).count();
    assert!((20..80).contains(&count), "{count}");
}

#[test]
fn a_full_disk_says_so_and_keeps_what_it_has() {
    let disk = SimDisk::new(Seed(1), 0, Latency::default(), 1_024);
    let file = create(&disk, "a", &[1; 900]);
    let full = disk.write_at(&file, 900, &[1; 200]);
    assert!(matches!(full, Err(DiskError::NoSpace { .. })));
    disk.write_at(&file, 0, &[2; 900]).expect("an overwrite needs no room");
    disk.remove("a").unwrap();
    create(&disk, "b", &[1; 900]);
}

/// A synced file of zeros in a folder whose files may be harmed.
fn replica(disk: &SimDisk, name: &str) -> SimFile {
    disk.create_dir("chunks").unwrap();
    let file = create(disk, name, &[0; 4_096]);
    disk.sync_data(&file).unwrap();
    disk.sync_dir("chunks").unwrap();
    file
}

fn harm(disk: &SimDisk, harm: Harm, files: &[&str]) -> Vec<String> {
    let files: Vec<String> = files.iter().map(|name| (*name).to_owned()).collect();
    disk.harm(harm, &files, &mut Seed(1).fork("harm", 0))
}

#[test]
fn rot_flips_one_durable_bit() {
    let disk = disk(1);
    replica(&disk, "chunks/a");
    assert_eq!(disk.harmed(), [] as [&str; 0]);
    assert!(!harm(&disk, Harm::Rot, &["chunks/a"]).is_empty());
    assert_eq!(disk.harmed(), ["chunks/a"]);
    let ones = |disk: &SimDisk| -> u32 {
        read(disk, "chunks/a").unwrap().iter().map(|b| b.count_ones()).sum()
    };
    assert_eq!(ones(&disk), 1);
    assert_eq!(ones(&disk.crash()), 1, "and it stays so");
    assert!(harm(&disk, Harm::Rot, &["chunks/nothing"]).is_empty());
}

#[test]
fn a_phantom_write_never_happened() {
    let disk = disk(1);
    let file = replica(&disk, "chunks/a");
    disk.write_at(&file, 512, &[7; 512]).unwrap();
    assert!(harm(&disk, Harm::PhantomWrite, &["chunks/a"]).is_empty(), "not synced yet");
    disk.sync_data(&file).unwrap();
    disk.write_at(&file, 2_048, &[8; 512]).unwrap();
    disk.sync_data(&file).unwrap();
    assert_eq!(harm(&disk, Harm::PhantomWrite, &["chunks/a"]), ["chunks/a"]);
    let bytes = read(&disk.crash(), "chunks/a").unwrap();
    assert_eq!(bytes[512..1_024], [7; 512], "an earlier one did");
    assert_eq!(bytes[2_048..2_560], [0; 512]);
}

#[test]
fn a_misdirected_write_harms_two_places() {
    let disk = disk(1);
    let file = replica(&disk, "chunks/a");
    replica(&disk, "chunks/b");
    disk.write_at(&file, 0, &[7; 512]).unwrap();
    disk.sync_data(&file).unwrap();
    let harmed = harm(&disk, Harm::Misdirected, &["chunks/a", "chunks/b"]);
    assert_eq!(harmed.last().unwrap(), "chunks/a", "the only one that was written");
    let disk = disk.crash();
    let (a, b) = (read(&disk, "chunks/a").unwrap(), read(&disk, "chunks/b").unwrap());
    let sevens = a.iter().chain(&b).filter(|byte| **byte == 7).count();
    assert_eq!(sevens, 512, "it is somewhere");
    assert_eq!((a.len(), b.len()), (4_096, 4_096));
}

#[test]
fn sectors_are_unreadable_until_they_are_written() {
    let disk = disk(1);
    let file = replica(&disk, "chunks/a");
    assert!(!harm(&disk, Harm::LatentError, &["chunks/a"]).is_empty());
    let mut sector = [0; 512];
    let readable = |at: u64, sector: &mut [u8]| disk.read_at(&file, at * 512, sector).is_ok();
    let bad: Vec<u64> = (0..8).filter(|at| !readable(*at, &mut sector)).collect();
    assert!(!bad.is_empty() && bad.len() < 8, "{bad:?}");
    assert!(disk.read_at(&file, 0, &mut [0; 4_096]).is_err());
    bad.iter().for_each(|at| disk.write_at(&file, at * 512, &[1; 512]).unwrap());
    disk.read_at(&file, 0, &mut [0; 4_096]).unwrap();
}

#[test]
fn what_a_failed_sync_was_to_keep_is_never_kept() {
    for seed in 0..50 {
        let disk = disk(seed);
        let file = replica(&disk, "chunks/a");
        disk.write_at(&file, 0, &[7; 4_096]).unwrap();
        disk.fail_next_sync(true);
        assert!(disk.sync_data(&file).is_err());
        assert!(disk.sync_failed());
        disk.sync_data(&file).expect("the second sync says that all is well");
        assert_eq!(read(&disk, "chunks/a").unwrap(), [7; 4_096], "the cache still has it");
        let disk = disk.crash();
        assert!(!disk.sync_failed());
        assert_eq!(read(&disk, "chunks/a").unwrap(), [0; 4_096]);
    }
}

#[test]
fn an_outsider_fills_the_disk_for_a_while() {
    let disk = SimDisk::new(Seed(1), 0, Latency::default(), 10_240);
    let file = create(&disk, "a", &[1; 1_024]);
    disk.fill(Some(512));
    disk.write_at(&file, 1_024, &[1; 512]).unwrap();
    assert!(matches!(disk.write_at(&file, 1_536, &[1]), Err(DiskError::NoSpace { .. })));
    disk.fill(None);
    disk.write_at(&file, 1_536, &[1; 8_000]).unwrap();
}

#[test]
fn a_hole_occupies_nothing() {
    let disk = SimDisk::new(Seed(1), 0, Latency::default(), 2_048);
    let file = create(&disk, "a", &[1; 10]);
    disk.write_at(&file, 1_000_000, &[1; 10]).expect("a hole needs no room");
    assert_eq!(disk.allocated(&file).unwrap(), 1_024);
    assert_eq!(disk.space().unwrap(), Space { free_bytes: 1_024, size_bytes: 2_048 });
    disk.set_len(&file, 999_936).unwrap();
    assert_eq!(disk.allocated(&file).unwrap(), 512);
}

#[test]
fn a_large_sector_is_never_torn() {
    let latency = Latency { sector_bytes: 4_096, ..Latency::default() };
    for seed in 0..100 {
        let disk = SimDisk::new(Seed(seed), 0, latency.clone(), 1 << 20);
        let file = create(&disk, "a", &[1; 8_192]);
        disk.sync_data(&file).unwrap();
        disk.sync_dir("").unwrap();
        disk.write_at(&file, 0, &[2; 8_192]).unwrap();
        let bytes = read(&disk.crash(), "a").unwrap();
        for sector in bytes.chunks(4_096) {
            assert!(sector.iter().all(|byte| *byte == sector[0]));
        }
    }
}

#[test]
fn equal_seeds_crash_alike() {
    let image = |seed| {
        let disk = disk(seed);
        let file = create(&disk, "a", &[0; 8_192]);
        disk.sync_data(&file).unwrap();
        disk.sync_dir("").unwrap();
        for i in 0..16_u8 {
            disk.write_at(&file, u64::from(i) * 500, &[i + 1; 700]).unwrap();
        }
        (disk.take_busy_ns(), read(&disk.crash(), "a"))
    };
    assert_eq!(image(9), image(9));
    assert_ne!(image(9), image(10));
}
