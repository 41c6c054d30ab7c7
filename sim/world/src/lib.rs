//! A whole cluster as one value: scripts and random walks.
