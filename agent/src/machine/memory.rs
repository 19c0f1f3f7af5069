//! Memory, by `/proc/meminfo` and what `/proc` says of processes.

use stagebox_protocol::machine::MemoryStatus;

use super::Root;

/// What there is, and what the agent and its media process take.
#[must_use]
pub fn memory(root: &Root, agent: u32, media: Option<u32>) -> Option<MemoryStatus> {
    let text = root.text("proc/meminfo")?;
    Some(MemoryStatus {
        total_bytes: kib(&text, "MemTotal:")?,
        available_bytes: kib(&text, "MemAvailable:")?,
        agent_bytes: resident(root, agent),
        media_bytes: media.and_then(|pid| resident(root, pid)),
    })
}

fn resident(root: &Root, pid: u32) -> Option<u64> {
    kib(&root.text(format!("proc/{pid}/status"))?, "VmRSS:")
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_in_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let root = Root::at(folder.path());
        assert_eq!(memory(&root, 7, None), None);
        write("proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\nMemAvailable:    512 kB\n");
        write("proc/7/status", "Name:\tagent\nVmRSS:\t      40 kB\n");
        let found = memory(&root, 7, Some(8)).unwrap();
        assert_eq!((found.total_bytes, found.available_bytes), (2 << 20, 512 << 10));
        assert_eq!((found.agent_bytes, found.media_bytes), (Some(40 << 10), None), "a process that has gone");
        // This very machine has some, and so has this process.
        let here = memory(&Root::default(), std::process::id(), None).unwrap();
        assert!(here.available_bytes <= here.total_bytes && here.agent_bytes.is_some_and(|bytes| bytes > 0));
    }
}
