//! An ordered map in pages, for tables of millions of records.
//!
//! Keys that only grow fill their pages, so that a record costs its own size and little more.
//! Copies share pages: a clone costs a pointer a page, and the first change of a page after it
//! copies that page alone. A state of gigabytes can so be handed to whoever writes a checkpoint.
//!
//! It is a `BTreeMap` in what it does, how it hashes, compares and serializes.

use alloc::collections::{BTreeMap, btree_map};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::ops::{Bound, Index};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Records of a page at the most.
const PAGE: usize = 128;

/// An ordered map whose clones share what neither has changed.
///
/// Invariant: no page is empty; a page's key is at most its first record's, and above every record
/// of the page before; `length` is the number of records.
#[derive(Clone)]
pub struct PagedMap<K, V> {
    pages: BTreeMap<K, Page<K, V>>,
    length: usize,
}

type Page<K, V> = Arc<Vec<(K, V)>>;

/// The records of a map in order.
pub struct Iter<'a, K, V> {
    /// What is left of the page that it is in.
    page: core::slice::Iter<'a, (K, V)>,
    pages: btree_map::Range<'a, K, Page<K, V>>,
}

impl<K, V> PagedMap<K, V> {
    /// A map without records.
    #[must_use]
    pub const fn new() -> Self {
        PagedMap { pages: BTreeMap::new(), length: 0 }
    }

    /// How many records there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl<K: Ord, V> PagedMap<K, V> {
    /// The record of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (_, page) = self.pages.range((Bound::Unbounded, Bound::Included(key))).next_back()?;
        let at = place(page, key).ok()?;
        Some(&page[at].1)
    }

    /// Is there a record of this key?
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// All records in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { page: [].iter(), pages: self.pages.range(..) }
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values in order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The records from a key on, in order; without that of the key itself if it is excluded.
    pub fn range_from<Q: Ord + ?Sized>(&self, from: Bound<&Q>) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let (Bound::Included(key) | Bound::Excluded(key)) = from else { return self.iter() };
        let before = self.pages.range((Bound::Unbounded, Bound::Included(key))).next_back();
        let page: &[(K, V)] = before.map_or(&[], |(_, page)| page);
        let first = match place(page, key) {
            Ok(at) => at + usize::from(matches!(from, Bound::Excluded(_))),
            Err(at) => at,
        };
        let pages = self.pages.range((Bound::Excluded(key), Bound::Unbounded));
        Iter { page: page[first..].iter(), pages }
    }
}

impl<K: Ord + Clone, V: Clone> PagedMap<K, V> {
    /// The record of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let up_to = (Bound::Unbounded, Bound::Included(key));
        let (_, page) = self.pages.range_mut(up_to).next_back()?;
        let at = place(page, key).ok()?;
        Some(&mut Arc::make_mut(page)[at].1)
    }

    /// Puts a record; gives the one that it replaces.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let up_to = (Bound::Unbounded, Bound::Included(&key));
        let Some((_, page)) = self.pages.range_mut(up_to).next_back() else {
            self.insert_first(key, value);
            return None;
        };
        match place(page, &key) {
            Ok(at) => Some(core::mem::replace(&mut Arc::make_mut(page)[at].1, value)),
            Err(at) => {
                self.length += 1;
                let rest = add(page, at, (key, value));
                self.hang(rest);
                None
            }
        }
    }

    /// Puts a record below all others.
    fn insert_first(&mut self, key: K, value: V) {
        self.length += 1;
        let mut page = self.pages.pop_first().map_or_else(Arc::default, |(_, page)| page);
        let rest = add(&mut page, 0, (key.clone(), value));
        self.pages.insert(key, page);
        self.hang(rest);
    }

    fn hang(&mut self, page: Vec<(K, V)>) {
        if let Some((first, _)) = page.first() {
            self.pages.insert(first.clone(), Arc::new(page));
        }
    }

    /// Takes a record away.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let up_to = (Bound::Unbounded, Bound::Included(key));
        let (name, page) = self.pages.range_mut(up_to).next_back()?;
        let at = place(page, key).ok()?;
        let name = name.clone();
        let records = Arc::make_mut(page);
        let (_, value) = records.remove(at);
        self.length -= 1;
        if records.len() <= PAGE / 4 {
            self.merge(&name);
        }
        Some(value)
    }

    /// A page that has few records left joins the page before or after it, if the two then fit
    /// with ease.
    fn merge(&mut self, name: &K) {
        let length = self.pages[name].len();
        if length == 0 {
            self.pages.remove(name);
            return;
        }
        let fits = |(_, page): &(&K, &Page<K, V>)| length + page.len() <= PAGE / 2;
        let mut before = self.pages.range((Bound::Unbounded, Bound::Excluded(name)));
        let mut after = self.pages.range((Bound::Excluded(name), Bound::Unbounded));
        if let Some((before, _)) = before.next_back().filter(fits) {
            self.join(&before.clone(), name);
        } else if let Some((after, _)) = after.next().filter(fits) {
            self.join(name, &after.clone());
        }
    }

    /// Moves all records of a page to the end of the one before it.
    fn join(&mut self, name: &K, next: &K) {
        let next = self.pages.remove(next).expect("found by the caller");
        let page = self.pages.get_mut(name).expect("found by the caller");
        Arc::make_mut(page).extend(Arc::unwrap_or_clone(next));
    }
}

/// Where a key is in a page, or would be.
fn place<K: Borrow<Q>, V, Q: Ord + ?Sized>(page: &[(K, V)], key: &Q) -> Result<usize, usize> {
    page.binary_search_by(|(other, _)| other.borrow().cmp(key))
}

/// Adds a record to a page; gives what no longer fits, as the page after it. A page that grows at
/// its end stays full, since keys that grow never come back to it.
fn add<K: Clone, V: Clone>(page: &mut Page<K, V>, at: usize, record: (K, V)) -> Vec<(K, V)> {
    if page.len() < PAGE {
        Arc::make_mut(page).insert(at, record);
        return Vec::new();
    }
    if at == PAGE {
        return alloc::vec![record];
    }
    let records = Arc::make_mut(page);
    let mut rest = records.split_off(PAGE / 2);
    if at <= PAGE / 2 {
        records.insert(at, record)
    } else {
        rest.insert(at - PAGE / 2, record)
    }
    rest
}

impl<'a, K: Ord, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.page.next() {
                return Some((key, value));
            }
            self.page = self.pages.next()?.1.iter();
        }
    }
}

impl<'a, K: Ord, V> IntoIterator for &'a PagedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for PagedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(records: I) -> Self {
        let mut map = PagedMap::new();
        records.into_iter().for_each(|(key, value)| {
            map.insert(key, value);
        });
        map
    }
}

impl<K, V> Default for PagedMap<K, V> {
    fn default() -> Self {
        PagedMap::new()
    }
}

impl<K: Ord + Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for PagedMap<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("no record of this key")
    }
}

impl<K: Ord, V: PartialEq> PartialEq for PagedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.iter().eq(other.iter())
    }
}

impl<K: Ord, V: Eq> Eq for PagedMap<K, V> {}

impl<K: Ord + Hash, V: Hash> Hash for PagedMap<K, V> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_usize(self.length);
        self.iter().for_each(|record| record.hash(hasher));
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for PagedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for PagedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.length))?;
        self.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

impl<'de, K, V> Deserialize<'de> for PagedMap<K, V>
where
    K: Ord + Clone + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Records(PhantomData))
    }
}

struct Records<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Records<K, V>
where
    K: Ord + Clone + Deserialize<'de>,
    V: Clone + Deserialize<'de>,
{
    type Value = PagedMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = PagedMap::new();
        while let Some((key, value)) = access.next_entry()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests;
