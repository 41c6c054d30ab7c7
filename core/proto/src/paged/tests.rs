use super::*;
use alloc::format;
use alloc::string::String;
use core::hash::BuildHasher;

impl<K: Ord, V> PagedMap<K, V> {
    fn assert_invariants(&self) {
        let mut before: Option<&K> = None;
        for (name, page) in &self.pages {
            assert!(!page.is_empty() && page.len() <= PAGE);
            assert!(before.is_none_or(|before| before < name), "a page is above the one before");
            assert!(*name <= page[0].0);
            assert!(page.is_sorted_by(|one, other| one.0 < other.0));
            before = page.last().map(|(key, _)| key);
        }
        assert_eq!(self.pages.values().map(|page| page.len()).sum::<usize>(), self.length);
    }
}

/// Small steps of a linear congruential generator.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % sides
    }
}

#[test]
fn it_does_what_a_tree_does() {
    for (seed, keys) in [(1, 50), (2, 1_000), (3, 5_000), (4, 200)] {
        let mut dice = Dice(seed);
        let (mut paged, mut tree) = (PagedMap::new(), BTreeMap::new());
        let mut copies = Vec::new();
        for step in 0..6_000_u64 {
            let key = dice.throw(keys);
            // First more comes than goes, later the other way round.
            match dice.throw(10) {
                0 => assert_eq!(paged.get(&key), tree.get(&key)),
                1 => {
                    let (one, other) = (paged.get_mut(&key), tree.get_mut(&key));
                    assert_eq!(one.as_deref(), other.as_deref());
                    one.into_iter().chain(other).for_each(|value| *value += 1);
                }
                put if (put < 8) == (step < 4_000) => {
                    assert_eq!(paged.insert(key, step), tree.insert(key, step));
                }
                _ => assert_eq!(paged.remove(&key), tree.remove(&key)),
            }
            if step % 500 == 0 {
                paged.assert_invariants();
                copies.push((paged.clone(), tree.clone()));
            }
        }
        for (paged, tree) in copies {
            paged.assert_invariants();
            assert!(paged.iter().eq(&tree), "a copy is not changed with its original");
            for from in [0, keys / 2, keys - 1, keys] {
                let (included, excluded) = (Bound::Included(&from), Bound::Excluded(&from));
                assert!(paged.range_from(included).eq(tree.range(from..)));
                let above = (Bound::Excluded(from), Bound::Unbounded);
                assert!(paged.range_from(excluded).eq(tree.range(above)));
            }
            assert!(paged.range_from::<u64>(Bound::Unbounded).eq(&tree));
        }
    }
}

#[test]
fn keys_that_grow_fill_their_pages() {
    let map: PagedMap<u64, ()> = (0..10 * PAGE as u64).map(|key| (key, ())).collect();
    assert_eq!(map.pages.len(), 10);
    assert!(map.pages.values().all(|page| page.capacity() == PAGE));
}

#[test]
fn a_change_copies_one_page() {
    let mut map: PagedMap<u64, u64> = (0..10 * PAGE as u64).map(|key| (key, key)).collect();
    let copy = map.clone();
    map.insert(200, 0);
    let shared = |(one, other): &(&Page<_, _>, &Page<_, _>)| Arc::ptr_eq(one, other);
    assert_eq!(map.pages.values().zip(copy.pages.values()).filter(shared).count(), 9);
    assert_eq!((map[&200], copy[&200]), (0, 200));
}

#[test]
fn what_is_taken_away_leaves_no_pages() {
    let keys = 0..10 * PAGE as u64;
    let mut map: PagedMap<u64, ()> = keys.clone().map(|key| (key, ())).collect();
    for key in keys.clone().filter(|key| key % 16 > 0) {
        map.remove(&key);
    }
    map.assert_invariants();
    assert!(map.pages.len() <= 3, "{} pages", map.pages.len());
    for key in keys {
        map.remove(&key);
    }
    assert!(map.is_empty() && map.pages.is_empty());
}

#[test]
fn it_hashes_as_a_tree_and_is_found_by_what_its_keys_borrow() {
    let records = || (0..300).map(|n| (format!("{n:03}"), n));
    let map: PagedMap<String, u64> = records().collect();
    let tree: BTreeMap<String, u64> = records().collect();
    assert_eq!(map.get("120"), Some(&120));
    assert_eq!(format!("{map:?}"), format!("{tree:?}"));
    let hasher = core::hash::BuildHasherDefault::<Sum>::default();
    assert_eq!(hasher.hash_one(&map), hasher.hash_one(&tree));
}

/// A hasher without std.
#[derive(Default)]
struct Sum(u64);

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
