//! The binary `leasehold`.
mod entropy;
mod failure;
mod settings;
mod units;
fn main() {}
