//! `stagebox-cloud broker-exec`: becomes Mosquitto, after asking the kernel to end it with the cloud.
//!
//! The kernel's request (`PR_SET_PDEATHSIG`) outlives exec but not fork, so it is made here, in the child, and it is
//! bound to the thread that started the child: `process.rs` keeps that thread for as long as the child.

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Becomes `program`; returns only if that fails.
///
/// `parent` is who started this process: if it has ended already, this process ends as well.
///
/// # Errors
/// Why the program cannot be run.
pub fn exec(parent: i32, program: &Path, configuration: &Path) -> io::Error {
    if let Err(error) = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    if getppid() != Pid::from_raw(parent) {
        return io::Error::other("the cloud ended before its broker began");
    }
    Command::new(program).arg("-c").arg(configuration).exec()
}
