//! Settings to go through: every combination of the values given for each key.

/// One axis: a key of a scenario and the values that it takes.
type Axis = (String, Vec<String>);

/// All combinations of some axes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid(Vec<Axis>);

impl Grid {
    /// Reads `key=value,value,...` of each axis. Commas within brackets separate nothing.
    ///
    /// # Errors
    /// Says what is not such an axis.
    pub fn parse(axes: &[String]) -> Result<Self, String> {
        let mut grid = Grid::default();
        for axis in axes {
            let (key, values) = axis
                .split_once('=')
                .ok_or_else(|| format!("`{axis}` is not KEY=VALUE,VALUE,..."))?;
            if grid.0.iter().any(|(known, _)| known == key) {
                return Err(format!("`{key}` is set twice"));
            }
            let values = split(values);
            if key.is_empty() || values.iter().any(String::is_empty) {
                return Err(format!("`{axis}` leaves a value or its key out"));
            }
            grid.0.push((key.to_owned(), values));
        }
        Ok(grid)
    }

    /// Every combination, as what is to be set; one that sets nothing if there is no axis.
    #[must_use]
    pub fn points(&self) -> Vec<Vec<(String, String)>> {
        let mut points = vec![Vec::new()];
        for (key, values) in &self.0 {
            points = points
                .into_iter()
                .flat_map(|point: Vec<(String, String)>| {
                    values.iter().map(move |value| {
                        let mut longer = point.clone();
                        longer.push((key.clone(), value.clone()));
                        longer
                    })
                })
                .collect();
        }
        points
    }
}

fn split(values: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for letter in values.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
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
    fn what_is_no_axis_is_refused() {
        let error = |axes: &[&str]| {
            let axes: Vec<String> = axes.iter().map(|axis| (*axis).to_owned()).collect();
            Grid::parse(&axes).unwrap_err()
        };
        assert!(error(&["a"]).contains("KEY=VALUE"));
        assert!(error(&["a=1,,2"]).contains("leaves a value"));
        assert!(error(&["a=1", "a=2"]).contains("twice"));
    }
}
