//! The rules in made-up time, and the driver against servers of our own and of others.

mod footage;
mod foreign;
mod own;
mod rules;
