//! Randomness of this process: identities only, nothing that a protocol depends on.

use crate::failure::Failure;

/// A number that no other process draws.
pub fn draw() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::about("entropy", error))
}
