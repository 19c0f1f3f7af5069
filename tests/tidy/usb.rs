//! What a box does with a USB disk that is plugged in: the shipped rule, unit and program belong together.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn image(file: &str) -> String {
    fs::read_to_string(super::root().join("images").join(file)).expect("it ships")
}

#[test]
fn the_rule_wants_the_unit_and_the_unit_starts_the_program() {
    let (rule, unit) = (image("udev/61-stagebox-usb.rules"), image("systemd/stagebox-usb@.service"));
    assert!(rule.contains("ENV{SYSTEMD_WANTS}+=\"stagebox-usb@%k.service\""));
    for (key, word) in [("ExecStart", "mount"), ("ExecStop", "unmount")] {
        assert!(unit.contains(&format!("{key}=/usr/bin/stagebox-usb {word} %I\n")), "{key}");
    }
    let mode =
        fs::metadata(super::root().join("images/bin/stagebox-usb")).expect("it ships").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "it can be run");
    let agent = image("systemd/stagebox-agent.service");
    assert!(agent.contains("ReadWritePaths=-/media"), "the agent may write there");
}

/// Plays the programs of a machine with these disks; they tell of what is mounted.
fn machine(folder: &Path, label: &str, kind: &str, used: &str, mounted: &str) {
    for (program, does) in [
        (
            "lsblk",
            format!(
                "case \"$*\" in *PKNAME*) echo sda;; *MOUNTPOINTS*) printf '{used}';; *FSTYPE*) echo '{kind}';; *LABEL*) echo '{label}';; esac"
            ),
        ),
        ("findmnt", format!("printf '{mounted}'")),
        ("mountpoint", "exit 1".to_owned()),
        ("mount", format!("echo \"mount $*\" >> {}/done", folder.display())),
        ("umount", format!("echo \"umount $*\" >> {}/done", folder.display())),
    ] {
        let path = folder.join(program);
        fs::write(&path, format!("#!/bin/sh\n{does}\n")).expect("the folder is writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
}

#[test]
fn a_stick_is_the_agents_and_the_machines_own_disk_is_left_alone() {
    const SAFE: &str = "nosuid,nodev,noexec,noatime";
    let agents = format!("{SAFE},uid=stagebox,gid=stagebox,fmask=0177,dmask=0077");
    for (word, label, kind, used, mounted, wanted) in [
        ("mount", "BLUE", "exfat", "", "", Some(format!("mount -t exfat -o {agents} /dev/sda1 MEDIA/BLUE"))),
        ("mount", "", "vfat", "", "", Some(format!("mount -t vfat -o {agents} /dev/sda1 MEDIA/sda1"))),
        (
            "mount",
            "../My Stick",
            "vfat",
            "\n/media/other\n",
            "",
            Some(format!("mount -t vfat -o {agents} /dev/sda1 MEDIA/My_Stick")),
        ),
        ("mount", "DATA", "ext4", "", "", Some(format!("mount -t ext4 -o {SAFE} /dev/sda1 MEDIA/DATA"))),
        ("mount", "bootfs", "vfat", "\n/boot/firmware\n/\n", "", None),
        ("mount", "swapped", "vfat", "[SWAP]\n", "", None),
        ("mount", "NTFS", "ntfs", "", "", None),
        ("mount", "BLUE", "exfat", "/media/anna/BLUE\n", "/media/anna/BLUE\n", None),
        ("unmount", "BLUE", "exfat", "", "/media/BLUE\n", Some("umount -l /media/BLUE".to_owned())),
        ("unmount", "BLUE", "exfat", "", "/srv/backup\n", None),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        machine(folder.path(), label, kind, used, mounted);
        let media = folder.path().join("media");
        let output = Command::new("sh")
            .arg(super::root().join("images/bin/stagebox-usb"))
            .args([word, "sda1"])
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .env("STAGEBOX_MEDIA", &media)
            .output()
            .expect("a shell");
        assert!(output.status.success(), "{label}: {}", String::from_utf8_lossy(&output.stderr));
        let done = fs::read_to_string(folder.path().join("done")).unwrap_or_default();
        let wanted = wanted.map(|line| line.replace("MEDIA", &media.display().to_string()) + "\n");
        assert_eq!(done, wanted.unwrap_or_default(), "{word} {label}");
    }
}
