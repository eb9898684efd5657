//! The summary of a repository as it is now.
