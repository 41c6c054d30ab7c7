//! A reader of EDN, as small as the writer, and what it must find.

use super::*;
use crate::testing::*;
use leasehold_proto::OpError;
use leasehold_proto::Refusal::NotFound;

/// What a reader makes of one form.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    Word(String),
    Text(String),
    Vector(Vec<Form>),
    Map(BTreeMap<String, Form>),
}

struct Reader<'a>(std::iter::Peekable<std::str::Chars<'a>>);

impl Reader<'_> {
    fn line(text: &str) -> Form {
        let mut reader = Reader(text.chars().peekable());
        let form = reader.form();
        assert_eq!(reader.0.next(), None, "a line is one form: {text}");
        form
    }

    fn skip(&mut self) {
        while self.0.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
    }

    fn until(&mut self, end: char) -> Vec<Form> {
        let mut forms = Vec::new();
        loop {
            self.skip();
            if self.0.next_if_eq(&end).is_some() {
                return forms;
            }
            forms.push(self.form());
        }
    }

    fn form(&mut self) -> Form {
        self.skip();
        match self.0.next().expect("a form") {
            '[' => Form::Vector(self.until(']')),
            '{' => {
                let forms = self.until('}');
                assert_eq!(forms.len() % 2, 0, "a map has pairs");
                let pair = |pair: &[Form]| match &pair[0] {
                    Form::Word(key) => (key.clone(), pair[1].clone()),
                    other => panic!("{other:?} is no key"),
                };
                let map: BTreeMap<_, _> = forms.chunks(2).map(pair).collect();
                assert_eq!(map.len() * 2, forms.len(), "a key stands once");
                Form::Map(map)
            }
            '"' => {
                let mut text = String::new();
                loop {
                    match self.0.next().expect("a text ends") {
                        '"' => return Form::Text(text),
                        '\\' => match self.0.next().expect("something is escaped") {
                            'n' => text.push('\n'),
                            't' => text.push('\t'),
                            'r' => text.push('\r'),
                            'u' => {
                                let code: String = (0..4).filter_map(|_| self.0.next()).collect();
                                let code = u32::from_str_radix(&code, 16).unwrap();
                                text.push(char::from_u32(code).unwrap());
                            }
                            other => text.push(other),
                        },
                        letter => text.push(letter),
                    }
                }
            }
            first => {
                let mut word = String::from(first);
                let ends = |c: &char| c.is_whitespace() || ",]}".contains(*c);
                while let Some(letter) = self.0.next_if(|c| !ends(c)) {
                    word.push(letter);
                }
                Form::Word(word)
            }
        }
    }
}

fn lines(run: &Run) -> Vec<BTreeMap<String, Form>> {
    let mut bytes = Vec::new();
    write(run.checkers.history(), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let map = |line: &str| match Reader::line(line) {
        Form::Map(map) => map,
        other => panic!("{other:?} is no map"),
    };
    text.lines().map(map).collect()
}

fn busy() -> Run {
    let mut run = Run::new();
    run.change((1, 2), create("/odd \"name\"\\\n"), Ok(file(2)));
    run.write(1, (10, 20), 0, &cell(1));
    run.append(2, (15, 30), None, &cell(2));
    run.read(3, (40, 50), 0, &cell(1)).unwrap();
    run.query((60, 70), stat("/none"), Err(NotFound.into_error()));
    run.query((60, 71), list("/"), Ok(listed(&[("a", 2), ("b", 3)])));
    run.change((80, 90), rename("/a", "/b"), Err(OpError::TimedOut { maybe: true, last: None }));
    run.invoke_write(4, 95, 64, &cell(4));
    run
}

#[test]
fn every_line_is_one_map_and_every_process_does_one_thing_at_a_time() {
    let word = |map: &BTreeMap<String, Form>, key: &str| match &map[key] {
        Form::Word(word) => word.clone(),
        other => panic!("{key} is {other:?}"),
    };
    let lines = lines(&busy());
    assert_eq!(lines.len(), 15, "eight calls, seven ends");
    let mut busy: BTreeMap<String, String> = BTreeMap::new();
    let mut over: BTreeSet<String> = BTreeSet::new();
    let (mut last, mut kinds) = (0, BTreeMap::new());
    for line in &lines {
        let (process, kind, f) = (word(line, ":process"), word(line, ":type"), word(line, ":f"));
        *kinds.entry(kind.clone()).or_insert(0) += 1;
        let time: u64 = word(line, ":time").parse().unwrap();
        assert!(time >= last, "lines stand in order of time");
        last = time;
        if kind == ":invoke" {
            assert!(!over.contains(&process), "nobody goes on after :info");
            assert_eq!(busy.insert(process, f), None, "one thing at a time");
        } else {
            assert_eq!(busy.remove(&process), Some(f), "what ends was invoked, and ends once");
            if kind == ":info" {
                over.insert(process);
            }
        }
    }
    let kinds: Vec<(&str, i32)> = kinds.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    assert_eq!(kinds, [(":fail", 1), (":info", 2), (":invoke", 8), (":ok", 4)]);
}

#[test]
fn texts_and_contents_are_read_back() {
    let lines = lines(&busy());
    let value = |at: usize| match &lines[at][":value"] {
        Form::Map(map) => map.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(value(0)[":path"], Form::Text("/odd \"name\"\\x5c\n".into()));
    let (written, read) = (value(2), value(7));
    assert_eq!(written[":hash"], read[":hash"]);
    let words = ["9", "1", "64"].map(|word| Form::Word(word.into()));
    assert_eq!(read[":contents"], Form::Vector(vec![Form::Vector(words.into())]));
}
