//! Which USB disks are mounted: `/proc/self/mountinfo` read and judged, pure but for what sysfs says.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Disks beyond this are not looked at.
const MOST: usize = 16;

/// Where to look; other places in tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The kernel's table of mounts (proc(5), `mountinfo`).
    pub mountinfo: PathBuf,
    /// sysfs.
    pub sys: PathBuf,
    /// Below these a disk that is plugged in is mounted.
    pub media: Vec<PathBuf>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            mountinfo: PathBuf::from("/proc/self/mountinfo"),
            sys: PathBuf::from("/sys"),
            media: vec![PathBuf::from("/media"), PathBuf::from("/run/media")],
        }
    }
}

/// A disk that can be taken away, for as long as it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stick {
    /// The mount's number.
    pub(super) mount: u32,
    /// Major and minor number of its device.
    pub(super) device: (u32, u32),
    pub(super) path: PathBuf,
}

impl Stick {
    /// What people call it.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        format!("USB {name}")
    }
}

/// A line of `mountinfo`, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    id: u32,
    device: (u32, u32),
    /// All of the file system is mounted, not a folder of it.
    whole: bool,
    path: PathBuf,
    writable: bool,
}

/// The disks that can be recorded to, in the order in which they were mounted.
pub(super) fn sticks(
    mountinfo: &[u8],
    media: &[PathBuf],
    removable: impl Fn((u32, u32)) -> bool,
) -> Vec<Stick> {
    let mounts: Vec<Mount> = mountinfo.split(|byte| *byte == b'\n').filter_map(parse).collect();
    let is_below = |path: &Path| media.iter().any(|folder| path != folder && path.starts_with(folder));
    let fits = |(place, mount): &(usize, &Mount)| {
        // Of two at one place the later one is seen.
        let hidden = mounts[place + 1..].iter().any(|later| later.path == mount.path);
        mount.whole && mount.writable && !hidden && is_below(&mount.path) && removable(mount.device)
    };
    let mut found: Vec<Stick> = mounts
        .iter()
        .enumerate()
        .filter(fits)
        .map(|(_, mount)| Stick { mount: mount.id, device: mount.device, path: mount.path.clone() })
        .collect();
    found.truncate(MOST);
    found
}

/// `36 35 98:0 / /mnt rw,noatime - ext4 /dev/sda1 rw`: the sixth field is the mount's own, the last the file system's.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
    let text = |field: &[u8]| std::str::from_utf8(field).ok().map(str::to_owned);
    let id = text(fields.next()?)?.parse().ok()?;
    let device = text(fields.nth(1)?)?;
    let (major, minor) = device.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let whole = fields.next()? == b"/";
    let path = PathBuf::from(OsString::from_vec(unescape(fields.next()?)));
    let options = text(fields.next()?)?;
    let own = fields.skip_while(|field| *field != b"-").nth(3).and_then(text);
    let is_writable = |options: &str| options.split(',').any(|option| option == "rw");
    let writable = is_writable(&options) && own.is_none_or(|own| is_writable(&own));
    path.is_absolute().then_some(Mount { id, device, whole, path, writable })
}

/// Space, tab, newline and backslash stand as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let code = behind.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits)
                .ok()
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &behind[3..] } else { behind };
    }
    bytes
}

/// Whether sysfs takes a device for one that can be taken away: it says so, or it hangs on USB, as its disk does.
pub(super) fn is_removable(sys: &Path, (major, minor): (u32, u32)) -> bool {
    let Ok(device) = fs::canonicalize(sys.join(format!("dev/block/{major}:{minor}"))) else { return false };
    let on_usb = device.strip_prefix(sys).unwrap_or(&device).components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part.strip_prefix("usb").is_some_and(|bus| !bus.is_empty() && bus.bytes().all(|b| b.is_ascii_digit()))
    });
    // A partition's folder lies in its disk's.
    let says_so = device
        .ancestors()
        .take(2)
        .any(|folder| fs::read_to_string(folder.join("removable")).is_ok_and(|text| text.trim() == "1"));
    on_usb || says_so
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &[u8] = b"\
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n\
31 22 0:26 / /run rw,nosuid - tmpfs tmpfs rw,size=1000k\n\
40 22 8:1 / /media/anna/My\\040Stick rw,nosuid,nodev - exfat /dev/sda1 rw,uid=1000\n\
41 22 8:17 / /media/readonly ro,nosuid - vfat /dev/sdb1 rw\n\
42 22 8:33 / /media/failed rw,nosuid - ext4 /dev/sdc1 ro\n\
43 22 8:1 /photos /media/part rw - exfat /dev/sda1 rw\n\
44 22 259:3 / /media/internal rw - ext4 /dev/nvme0n1p3 rw\n\
45 31 8:49 / /run/media/anna/BLUE rw master:3 propagate_from:2 - vfat /dev/sdd1 rw\n\
46 22 8:65 / /mediathek rw - vfat /dev/sde1 rw\n\
47 22 8:81 / /media/twice rw - vfat /dev/sdf1 rw\n\
48 22 8:97 / /media/twice rw - vfat /dev/sdg1 rw\n\
49 22 8:113 / /media rw - vfat /dev/sdh1 rw\n\
nonsense\n";

    #[test]
    fn disks_that_can_be_taken_away_and_written_to_are_found() {
        let found = sticks(TABLE, &Places::default().media, |(major, _)| major == 8);
        let found: Vec<_> = found.iter().map(|stick| (stick.mount, stick.path.to_str().unwrap())).collect();
        let wanted = [(40, "/media/anna/My Stick"), (45, "/run/media/anna/BLUE"), (48, "/media/twice")];
        assert_eq!(found, wanted);
        assert_eq!(sticks(TABLE, &Places::default().media, |_| true)[0].name(), "USB My Stick");
        assert_eq!(sticks(TABLE, &Places::default().media, |_| false), []);
    }

    #[test]
    fn sysfs_says_what_can_be_taken_away() {
        let root = tempfile::tempdir().unwrap();
        let sys = root.path().canonicalize().unwrap();
        let disk = |path: &str, removable: &str, number: &str, partition: Option<&str>| {
            let folder = sys.join(path);
            let end = partition.map_or(folder.clone(), |name| folder.join(name));
            fs::create_dir_all(&end).unwrap();
            fs::write(folder.join("removable"), removable).unwrap();
            fs::create_dir_all(sys.join("dev/block")).unwrap();
            std::os::unix::fs::symlink(end, sys.join("dev/block").join(number)).unwrap();
        };
        disk("devices/pci/usb2/2-1/host6/block/sda", "0\n", "8:1", Some("sda1"));
        disk("devices/platform/mmc/block/mmcblk1", "1\n", "179:1", Some("mmcblk1p1"));
        disk("devices/pci/nvme/block/nvme0n1", "0\n", "259:1", None);
        disk("devices/virtual/usbfake/block/x", "0\n", "7:1", None);
        let table = [((8, 1), true), ((179, 1), true), ((259, 1), false), ((7, 1), false), ((1, 1), false)];
        for (device, wanted) in table {
            assert_eq!(is_removable(&sys, device), wanted, "{device:?}");
        }
    }

    proptest! {
        #[test]
        fn any_table_is_read(table in prop::collection::vec(any::<u8>(), 0..400)) {
            for stick in sticks(&table, &Places::default().media, |_| true) {
                prop_assert!(stick.path.is_absolute());
            }
        }

        #[test]
        fn any_path_comes_back(name in "[\\x01-\\x2e\\x30-\\x7f]{1,20}") {
            let escaped: String = name.bytes().fold(String::new(), |text, byte| match byte {
                b' ' | b'\t' | b'\n' | b'\\' => text + &format!("\\{byte:03o}"),
                _ => text + &char::from(byte).to_string(),
            });
            prop_assume!(name != "." && name != "..");
            let table = format!("9 1 8:1 / /media/{escaped} rw - vfat /dev/sda1 rw\n");
            let found = sticks(table.as_bytes(), &Places::default().media, |_| true);
            prop_assert_eq!(&found[0].path, &Path::new("/media").join(&name));
        }
    }
}
