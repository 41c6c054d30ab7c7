//! Random calls of three callers on few names, each answered by the master's state and judged by the model.

use super::*;
use crate::cells::spread;
use std::collections::BTreeMap;

const NAMES: [&str; 5] = ["a", "b", "c", "ab", "l"];

struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = spread(self.0);
        self.0 % sides
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    fn text(&mut self) -> String {
        let parts = 1 + self.below(3);
        let text: String = (0..parts).map(|_| format!("/{}", self.one(&NAMES))).collect();
        match self.below(60) {
            0 => "/".to_owned(),
            1 => "/a//b".to_owned(),
            2 => format!("/{}", "n".repeat(256)),
            _ => text,
        }
    }

    /// From the root, or from some inode on.
    fn path(&mut self, last: u64) -> Path {
        if self.below(4) > 0 {
            return self.text().into();
        }
        let at = FileId(1 + self.below(last + 2));
        let text: &[u8] = match self.below(3) {
            0 => b"",
            1 => b"a",
            _ => b"b/c",
        };
        Path::at(at, text)
    }

    fn target(&mut self) -> Box<[u8]> {
        let (one, two) = (self.one(&NAMES), self.one(&NAMES));
        let text = match self.below(9) {
            0 => "..".to_owned(),
            1 => format!("/{one}/"),
            2 => format!("../{one}"),
            3 => format!("./{one}"),
            4 => format!("/{one}/{two}"),
            5 => "/".to_owned(),
            6 => format!("{one}/{two}//"),
            _ => (*one).to_string(),
        };
        text.into_bytes().into()
    }

    fn mode(&mut self) -> u16 {
        *self.one(&[0o777, 0o755, 0o700, 0o644, 0o2775, 0o1777, 0o4711, 0o6777, 0o070, 0o007, 0])
    }

    fn change(&mut self, last: u64) -> MetadataChange {
        let (path, to) = (self.path(last), self.path(last));
        let this = (self.below(6) == 0).then(|| FileId(2 + self.below(last + 1)));
        match self.below(23) {
            0..=2 => MetadataChange::Create { path, spec: FileSpec::default(), mode: self.mode() },
            3..=6 => MetadataChange::Mkdir { path, mode: self.mode() },
            7..=8 => {
                let what = match self.below(6) {
                    0 => Special::Fifo,
                    1 => Special::CharDevice(3),
                    _ => Special::Symlink(self.target()),
                };
                MetadataChange::MakeSpecial { path, what, mode: self.mode() }
            }
            9..=10 => MetadataChange::Link { from: path, to },
            11..=13 => {
                MetadataChange::Rename { from: path, to, this, no_replace: self.below(4) == 0 }
            }
            14 => MetadataChange::Exchange { from: path, to },
            15..=16 => MetadataChange::Delete { path, this },
            17..=19 => MetadataChange::SetAttributes { path, set: Box::new(self.set()) },
            20 => {
                let condition = *self.one(&[
                    XattrCondition::Any,
                    XattrCondition::Create,
                    XattrCondition::Replace,
                ]);
                let value = vec![7; self.below(3) as usize].into();
                MetadataChange::SetXattr { path, name: self.xattr(), value, condition }
            }
            21 => MetadataChange::RemoveXattr { path, name: self.xattr() },
            _ => {
                let (file, no_replace) = (FileId(2 + self.below(last + 1)), self.below(4) == 0);
                MetadataChange::Restore { file, to, no_replace }
            }
        }
    }

    fn set(&mut self) -> SetAttributes {
        let mut set = SetAttributes::default();
        let group = *self.one(&[0, 1, 2, 7, 100]);
        match self.below(6) {
            0 | 1 => set.mode = Some(self.mode()),
            2 => set.uid = Some(self.below(3) as u32),
            3 => set.gid = Some(group),
            4 => {
                set.atime = Some(SetTime::Now);
                set.mtime = Some(*self.one(&[SetTime::Now, SetTime::To(5)]));
            }
            _ => {
                set.gid = Some(group);
                set.mode = Some(self.mode());
            }
        }
        set
    }

    fn xattr(&mut self) -> Name {
        (*self.one(&["user.a", "user.b", "trusted.a", "security.a", "user.", "other.a", "x"]))
            .into()
    }

    fn query(&mut self, last: u64) -> MetadataQuery {
        let path = self.path(last);
        match self.below(9) {
            0..=1 => MetadataQuery::Stat { path },
            2 => MetadataQuery::Resolve { path },
            3 => MetadataQuery::ReadLink { path },
            4 => MetadataQuery::Xattrs { path },
            5 => MetadataQuery::Xattr { path, name: self.xattr() },
            6 => MetadataQuery::StatFile { file: FileId(1 + self.below(last + 2)) },
            _ => MetadataQuery::List { path, after: (self.below(2) == 0).then(|| "ab".into()) },
        }
    }
}

#[test]
fn the_master_answers_as_specified() {
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 1..=12 {
        one_run(seed, 4_000, &mut refused);
    }
    // Each kind of reason was met.
    for refusal in [
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::NotADirectory,
        Refusal::IsADirectory,
        Refusal::DirectoryNotEmpty,
        Refusal::NameTooLong,
        Refusal::PermissionDenied,
        Refusal::NotPermitted,
        Refusal::SymlinkLoop,
        Refusal::NoAttribute,
        Refusal::NotSupported,
    ] {
        let count = refused.get(&refusal.to_string()).copied().unwrap_or(0);
        assert!(count > 4, "{refusal}: {refused:?}");
    }
}

fn one_run(seed: u64, calls: u32, refused: &mut BTreeMap<String, u64>) {
    let mut dice = Dice(seed * 1_000_003);
    let mut log = Log::new();
    let mut ops: Vec<PosixOp> = Vec::new();
    let mut last = 1;
    for place in 1..=calls {
        let caller = caller(*dice.one(&[0, 0, 1, 2]), i64::from(place) + dice.below(50) as i64);
        let asked = match dice.below(10) {
            0..=6 => Asked::Change(dice.change(last)),
            _ => Asked::Query(dice.query(last)),
        };
        let answer = log.answer(&caller, &asked);
        if let Ok(MetadataAnswer::File(info)) = &answer {
            last = last.max(info.file.0);
        }
        if let Err(refusal) = &answer {
            *refused.entry(refusal.to_string()).or_default() += 1;
        }
        ops.push(PosixOp { place, caller, asked, answer: Some(answer), binds: false });
    }
    let mut model = Posix::new(returned(&ops), true);
    for op in &ops {
        let before = model.key();
        let Some(undo) = model.apply(op) else {
            let why = match &op.asked {
                Asked::Change(change) => model.why_not(change, op),
                Asked::Query(_) => Why::default(),
            };
            panic!("seed {seed}: {op:?}; it could be refused for {why:?} in {model:?}");
        };
        // Every step can be taken back, and made again.
        let after = model.key();
        model.undo(undo);
        assert_eq!(model.key(), before, "{op:?} is taken back");
        assert!(model.apply(op).is_some());
        assert_eq!(model.key(), after, "{op:?} is made again");
        assert!(Posix::changes(op) || after == before, "{op:?} changes nothing");
    }
}
