//! The rules in made-up time, and the driver against servers of our own and of others.

mod book;
mod encrypted;
mod footage;
mod foreign;
mod own;
mod rules;
mod simulcast;
mod times;
