//! The tests of the whole house, and what they share: the house started as real processes.
