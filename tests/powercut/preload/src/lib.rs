//! Preloaded into a program: writes down each of its file operations below a folder, and can fill the disk.
//!
//! `LD_PRELOAD=libstagebox_powercut_preload.so` and, in the environment of the program and of its children:
//!
//! | variable | what it does |
//! |---|---|
//! | `POWERCUT_ROOT` | the folder, as a real path without links; without it nothing is touched |
//! | `POWERCUT_LOG` | each operation below the folder is appended to this file, which lies elsewhere |
//! | `POWERCUT_SAID` | `1`: what the program writes to its standard output is part of the log |
//! | `POWERCUT_SYNC_US` | how long a sync takes, in microseconds (500); nothing is really synced |
//! | `POWERCUT_FULL` | while this file exists the disk is full: what needs room below the folder fails with ENOSPC, after one write that is cut short |
//! | `POWERCUT_FREE` | while this file holds a number, so many MiB below the folder are said to be free |
//! | `POWERCUT_HOLDS` | while this file holds a number, the folder holds so many KiB: what does not fit fails with ENOSPC, what is removed makes room |
//!
//! An operation and its record are one step under one lock, also between processes, so the log has the order in which
//! things happened. A sync has two records, since others go on writing meanwhile. What the log could not tell (shared
//! writable mappings, moves across the folder's edge, symbolic links) is refused as a file system may refuse it.
#![allow(
    unsafe_code,
    reason = "it stands in for functions of the C library, which are called with pointers: there is no other way"
)]

mod content;
mod files;
mod folders;
mod kernel;
mod session;
mod space;
mod syncs;
