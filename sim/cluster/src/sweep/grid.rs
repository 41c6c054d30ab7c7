//! Settings to go through: every combination of the values given for each key.

/// What is set together.
type Point = Vec<(String, String)>;

/// All combinations of some axes. An axis is a list of points; one of several keys sets them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid(Vec<Vec<Point>>);

impl Grid {
    /// Reads `key=value,value,...` of each axis; `a=1,2;b=3,4` sets `a` and `b` together, the first
    /// values with each other and so on. Commas and semicolons within brackets separate nothing.
    ///
    /// # Errors
    /// Says what is not such an axis.
    pub fn parse(axes: &[String]) -> Result<Self, String> {
        let mut grid = Grid::default();
        for axis in axes {
            let columns: Vec<(String, Vec<String>)> =
                split(axis, ';').iter().map(|part| column(part)).collect::<Result<_, _>>()?;
            let (first, count) = (&columns[0].0, columns[0].1.len());
            if let Some((key, values)) = columns.iter().find(|(_, values)| values.len() != count) {
                return Err(format!(
                    "`{axis}`: `{first}` has {count} values and `{key}` has {}; keys that are set \
                     together need the same number",
                    values.len()
                ));
            }
            let point = |at: usize| {
                columns.iter().map(|(key, values)| (key.clone(), values[at].clone())).collect()
            };
            grid.add((0..count).map(point).collect())?;
        }
        Ok(grid)
    }

    /// Adds an axis from a text: a point a line, `a=1; b=3`. Empty lines, and what follows a `#`, say
    /// nothing.
    ///
    /// # Errors
    /// Says which line is not such a point.
    pub fn add_lines(&mut self, text: &str) -> Result<(), String> {
        let mut points = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let said = line.split('#').next().unwrap_or_default().trim();
            if said.is_empty() {
                continue;
            }
            let parts = split(said, ';');
            let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
            let point = parts.map(single).collect::<Result<Point, String>>();
            points.push(point.map_err(|what| format!("line {}: {what}", at + 1))?);
        }
        if points.is_empty() {
            return Err("it has no line such as `a=1; b=2`".to_owned());
        }
        self.add(points)
    }

    fn add(&mut self, points: Vec<Point>) -> Result<(), String> {
        let known: Vec<&String> = self.0.iter().flatten().flatten().map(|(key, _)| key).collect();
        for point in &points {
            for (at, (key, _)) in point.iter().enumerate() {
                if known.contains(&key) || point[..at].iter().any(|(other, _)| other == key) {
                    return Err(format!("`{key}` is set twice"));
                }
            }
        }
        self.0.push(points);
        Ok(())
    }

    /// Every combination, as what is to be set; one that sets nothing if there is no axis.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        let mut points = vec![Vec::new()];
        for axis in &self.0 {
            points = points
                .into_iter()
                .flat_map(|point: Point| {
                    axis.iter().map(move |more| [&point[..], &more[..]].concat())
                })
                .collect();
        }
        points
    }
}

/// A key and its values.
fn column(part: &str) -> Result<(String, Vec<String>), String> {
    let (key, values) =
        part.split_once('=').ok_or_else(|| format!("`{part}` is not KEY=VALUE,VALUE,..."))?;
    let (key, values) = (key.trim(), split(values, ','));
    let values: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
    if key.is_empty() || values.iter().any(String::is_empty) {
        return Err(format!("`{part}` leaves a value or its key out"));
    }
    Ok((key.to_owned(), values))
}

/// A key and its only value.
fn single(part: &str) -> Result<(String, String), String> {
    let (key, values) = column(part)?;
    match &values[..] {
        [value] => Ok((key, value.clone())),
        _ => Err(format!("`{part}` has several values; a line is one point")),
    }
}

/// The parts of a text between separators that are not within brackets.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for letter in text.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            letter if letter == separator && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("there is always one").push(letter);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(axes: &[&str]) -> Vec<String> {
        let axes: Vec<String> = axes.iter().map(|axis| (*axis).to_owned()).collect();
        let of = |point: &Vec<(String, String)>| {
            point.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        Grid::parse(&axes).unwrap().points().iter().map(of).collect()
    }

    #[test]
    fn every_combination_comes_once() {
        assert_eq!(points(&[]), [""]);
        assert_eq!(
            points(&["a=1,2", "b=[3,4],5"]),
            ["a=1 b=[3,4]", "a=1 b=5", "a=2 b=[3,4]", "a=2 b=5"]
        );
    }

    #[test]
    fn keys_of_one_axis_move_together() {
        assert_eq!(
            points(&["a=2s,4s;b=500ms,1s", "c=1,2"]),
            ["a=2s b=500ms c=1", "a=2s b=500ms c=2", "a=4s b=1s c=1", "a=4s b=1s c=2"]
        );
        assert_eq!(points(&["a=[1;2],3; b=4,5"]), ["a=[1;2] b=4", "a=3 b=5"]);
    }

    #[test]
    fn points_come_from_a_file_too() {
        let mut grid = Grid::parse(&["c=1,2".to_owned()]).unwrap();
        grid.add_lines("# two\n\na=2s; b=500ms\na=4s;b=1s # the longer\n").unwrap();
        assert_eq!(grid.points().len(), 4);
        assert_eq!(grid.points()[3][2], ("b".to_owned(), "1s".to_owned()));
        let error =
            |text: &str| Grid::parse(&["c=1".to_owned()]).unwrap().add_lines(text).unwrap_err();
        assert!(error("a=1\nb").starts_with("line 2: `b` is not"));
        assert!(error("a=1,2").contains("several values"));
        assert!(error("c=3").contains("twice") && error("a=1;a=2").contains("twice"));
        assert!(error("# nothing").contains("no line"));
    }

    #[test]
    fn what_is_no_axis_is_refused() {
        let error = |axes: &[&str]| {
            let axes: Vec<String> = axes.iter().map(|axis| (*axis).to_owned()).collect();
            Grid::parse(&axes).unwrap_err()
        };
        assert!(error(&["a"]).contains("KEY=VALUE"));
        assert!(error(&["a=1,,2"]).contains("leaves a value"));
        assert!(error(&["a=1", "a=2"]).contains("twice"));
        assert!(error(&["a=1;a=2"]).contains("twice"));
        assert!(error(&["a=1,2;b=3"]).contains("`a` has 2 values and `b` has 1"));
        assert!(error(&["a=1;"]).contains("KEY=VALUE"));
    }
}
