//! The API through real sockets, against a server of its own for each test.
#![allow(clippy::unwrap_used, reason = "tests: what cannot be had fails them")]
#![allow(clippy::disallowed_methods, reason = "tests: they wait for what happens on sockets")]

mod access;
mod alarms;
mod batches;
mod browse;
mod document;
mod drain;
mod edges;
mod event_details;
mod events;
mod hook;
mod http;
mod idempotency;
mod include_files;
mod items;
mod jobs;
mod lists;
mod log;
mod login;
mod older;
mod pages;
mod personal;
mod process;
mod rates;
mod retention;
mod second_factor;
mod server;
mod session;
mod settings;
mod simulcasts;
mod stream;
mod tls;
mod upload_test;
