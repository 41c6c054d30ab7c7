//! A rule of the protocol that a model cannot do without: leave it out, and a run is found.

use super::{Named, Size};
use crate::search::Explored;
use crate::space::Space;
use crate::story;
use leasehold_proto::Rules;
use leasehold_world::script::{Golden, rule};

/// One rule left out of one model, and what comes of it. A green search that could not have been
/// red counts for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Negative {
    /// The rule.
    pub without: &'static str,
    /// The invariant that is violated.
    pub violates: &'static str,
    /// The smallest size in which it is.
    pub size: Size,
    /// The run, in `scenarios/scripts/found`, without its `.txt`.
    pub script: &'static str,
    /// It is seen only when the faults have ended.
    pub heals: bool,
}

impl Negative {
    /// Of the small size, seen in the step in which it happens.
    pub(crate) const fn small(
        without: &'static str,
        violates: &'static str,
        script: &'static str,
    ) -> Self {
        Negative { without, violates, size: Size::Small, script, heals: false }
    }

    /// Of the small size, seen when the faults have ended.
    pub(crate) const fn healed(
        without: &'static str,
        violates: &'static str,
        script: &'static str,
    ) -> Self {
        Negative { heals: true, ..Negative::small(without, violates, script) }
    }

    /// The model without the rule.
    #[must_use]
    pub fn space(&self, model: &Named) -> Space {
        let mut rules = Rules::default();
        *rule(&mut rules, self.without).expect("a negative names a rule") = false;
        (model.space)(self.size, rules)
    }

    /// The run that a search found, told as a script, if it is what this negative promises: World
    /// sees the same violation in it.
    ///
    /// # Errors
    /// Why it is not.
    pub fn told(&self, model: &Named, explored: &Explored) -> Result<Golden, String> {
        let who = format!("{} without {}", model.name, self.without);
        let run = explored.found.as_ref().ok_or_else(|| format!("{who}: nothing is violated"))?;
        if run.violation.invariant != self.violates {
            return Err(format!("{who}: {} instead of {}", run.violation, self.violates));
        }
        let golden = story::script(&self.space(model), run, &self.title(model))
            .map_err(|error| format!("{who}: World cannot do what the model did: {error}"))?;
        let seen = golden.violations.first().map_or("", String::as_str);
        match seen.starts_with(&format!("violation: {} ", self.violates)) {
            true => Ok(golden),
            false => Err(format!("{who}: World sees `{seen}`")),
        }
    }

    /// What its script says of itself.
    fn title(&self, model: &Named) -> String {
        let (name, size, without) = (model.name, self.size, self.without);
        format!("A shortest run of the model `{name}`, {size}, without {without}.")
    }
}
