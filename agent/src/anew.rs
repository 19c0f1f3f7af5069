//! The agent starts itself anew, and is never given up then.
//!
//! What ends it for good at its first start, as a configuration that is wrong, may be a device or a disk that is away for a
//! moment at a later one. A mark in the environment tells the program that it becomes, and one in the service's folder
//! (`RUNTIME_DIRECTORY`, which systemd keeps until the service is stopped) those that the service manager starts after it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::encode::EXIT_CONFIGURATION;

/// Set for a program that was the agent before.
const MARK: &str = "STAGEBOX_ANEW";
const FILE: &str = "anew";

/// Becomes the same program anew, as the same process: whoever watches over it sees no end. `arguments` begin with the
/// program; comes back only with why that cannot be.
pub fn begin(arguments: impl IntoIterator<Item = OsString>) -> io::Error {
    // A service without a folder has the mark in the environment.
    if let Some(Err(error)) = marked().map(|path| std::fs::write(path, "")) {
        tracing::warn!(%error, "the next start will not know that the box worked before (RUNTIME_DIRECTORY)");
    }
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    Command::new(program).args(arguments).env(MARK, "1").exec()
}

/// What the agent ends with: a service manager starts it again, unless only another configuration helps and it never
/// worked with this one.
#[must_use]
pub fn exit_code(is_configuration: bool) -> u8 {
    let worked_before = std::env::var_os(MARK).is_some() || marked().is_some_and(|path| path.exists());
    if is_configuration && !worked_before { EXIT_CONFIGURATION } else { 1 }
}

/// The file that says so.
fn marked() -> Option<PathBuf> {
    let folders = std::env::var_os("RUNTIME_DIRECTORY")?;
    // There may be several, with colons between.
    let first = std::env::split_paths(&folders).next()?;
    first.is_absolute().then(|| first.join(FILE))
}
