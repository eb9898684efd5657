//! The static deltas that a repository offers.
