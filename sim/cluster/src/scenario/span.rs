//! A number, or the bounds within which a seed draws one.

use crate::seed::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;

/// In TOML `7`, or `[3, 9]` with both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrTwo", into = "OneOrTwo")]
pub struct Span {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, or [least, most]")]
enum OneOrTwo {
    One(u64),
    Two(u64, u64),
}

impl TryFrom<OneOrTwo> for Span {
    type Error = String;

    fn try_from(value: OneOrTwo) -> Result<Self, String> {
        match value {
            OneOrTwo::One(value) => Ok(Span::of(value)),
            OneOrTwo::Two(min, max) if min <= max => Ok(Span { min, max }),
            OneOrTwo::Two(min, max) => {
                Err(format!("the least, {min}, is above the most, {max}; write [{max}, {min}]"))
            }
        }
    }
}

impl From<Span> for OneOrTwo {
    fn from(span: Span) -> Self {
        match span.min == span.max {
            true => OneOrTwo::One(span.min),
            false => OneOrTwo::Two(span.min, span.max),
        }
    }
}

impl Span {
    /// Always the same number.
    #[must_use]
    pub const fn of(value: u64) -> Self {
        Span { min: value, max: value }
    }

    /// Bounds, both included.
    #[must_use]
    pub const fn new(min: u64, max: u64) -> Self {
        Span { min, max }
    }

    /// One of them.
    pub fn draw(self, stream: &mut Stream) -> u64 {
        stream.within(self.min..=self.max)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { self.min.fmt(f) } else { write!(f, "{}..{}", self.min, self.max) }
    }
}
