//! stateright over World.
