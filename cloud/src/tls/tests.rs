use super::own::Own;
use super::*;
use crate::alarm::Alarms;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(day: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000).plus(DAY * day as u32)
}

fn own(data: &Path, name: &str) -> Own {
    Own::new(data, [name.to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()].into())
}

/// A foreign certificate for a name, and its key.
fn foreign(name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_certificate_of_its_own_is_kept_and_for_its_owner_only() {
    let data = tempfile::tempdir().unwrap();
    let made = own(data.path(), "rack").open(at(0)).unwrap();
    assert_eq!(made.names, ["rack", "127.0.0.1", "::1"].map(str::to_owned).into());
    assert!(made.begins < at(0) && made.ends > at(364) && made.ends < at(366));
    let directory = data.path().join("tls");
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 2);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    let again = own(data.path(), "rack").open(at(1)).unwrap();
    assert_eq!(again.served.cert, made.served.cert);
    assert!(!format!("{made:?}").contains("PRIVATE"));
}

#[test]
fn a_renewed_certificate_has_the_key_that_boxes_trust() {
    let data = tempfile::tempdir().unwrap();
    let made = own(data.path(), "rack").open(at(0)).unwrap();
    let mut last = made.served.cert.clone();
    let certificate = data.path().join("tls/certificate.pem");
    for (name, day, breaks) in
        [("rack", 336, false), ("hall", 336, false), ("hall", 337, true), ("hall", 0, false)]
    {
        if breaks {
            fs::write(&certificate, "half a certi").unwrap();
        }
        let renewed = own(data.path(), name).open(at(day)).unwrap();
        assert_ne!(renewed.served.cert, last, "{name} {day}");
        assert_eq!(renewed.fingerprint, made.fingerprint);
        assert!(renewed.names.contains(name) && renewed.ends > at(day + 364));
        last.clone_from(&renewed.served.cert);
    }
}

#[test]
fn the_fingerprint_is_the_one_that_openssl_tells() {
    // openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | sha256sum
    let data = tempfile::tempdir().unwrap();
    let made = own(data.path(), "rack").open(at(0)).unwrap();
    let script =
        "openssl x509 -pubkey -noout -in certificate.pem | openssl pkey -pubin -outform der | sha256sum";
    let mut command = std::process::Command::new("sh");
    let told = command.args(["-c", script]).current_dir(data.path().join("tls")).output().unwrap();
    assert!(String::from_utf8_lossy(&told.stdout).starts_with(&made.fingerprint), "{told:?}");
}

#[test]
fn what_is_wrong_with_a_pair_is_said_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let (one, other) = (foreign("one.example"), foreign("two.example"));
    let torn = one.0.replace("\nM", "\n?");
    for (certificate_pem, key_pem, field, words) in [
        ("", &one.1[..], "tls.certificate_file", "holds no certificate"),
        (&one.1, &one.1, "tls.certificate_file", "holds no certificate"),
        (&torn, &one.1, "tls.certificate_file", "certificate"),
        (&one.0, "", "tls.key_file", "no private key"),
        (&one.0, &one.0, "tls.key_file", "no private key"),
        (&one.0, &other.1, "tls.key_file", "not the key of the certificate"),
    ] {
        fs::write(&certificate, certificate_pem).unwrap();
        fs::write(&key, key_pem).unwrap();
        let error = read(&certificate, &key).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains(words), "{error}");
        assert!(error.contains(".pem") && !error.contains("-----BEGIN PRIVATE"), "{error}");
    }
    let missing = read(Path::new("/nowhere.pem"), &key).unwrap_err().to_string();
    assert!(missing.contains("/nowhere.pem") && missing.contains("tls.certificate_file"), "{missing}");
}

#[test]
fn a_broken_new_pair_leaves_the_old_one_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let (one, other) = (foreign("one.example"), foreign("two.example"));
    fs::write(&certificate, &one.0).unwrap();
    fs::write(&key, &one.1).unwrap();
    let text = format!("[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}");
    let config = Config::parse("test", &text, []).unwrap();
    let clock = Clock::manual(at(0));
    let tls = Tls::open(&config, &clock).unwrap().unwrap();
    assert_eq!(tls.fingerprint(), None);
    let (before, alarms) = (tls.current(), Alarms::new(clock));
    let mut changes = tls.subscribe();

    fs::write(&certificate, &other.0).unwrap();
    tls.replace(&alarms, at(0));
    let [alarm] = &alarms.list()[..] else { panic!("{:?}", alarms.list()) };
    assert!(
        alarm.words.contains("the old one stays in use") && alarm.words.contains("tls.key_file"),
        "{alarm:?}"
    );
    assert!(Arc::ptr_eq(&before, &tls.current()) && !changes.has_changed().unwrap());

    fs::write(&key, &other.1).unwrap();
    tls.replace(&alarms, at(0));
    assert!(alarms.list().is_empty() && changes.has_changed().unwrap());
    assert_eq!(changes.borrow_and_update().names, ["two.example".to_owned()].into());
    tls.replace(&alarms, at(0));
    assert!(!changes.has_changed().unwrap(), "the same pair is no new one");
}

#[test]
fn nothing_is_made_where_nothing_is_encrypted() {
    let data = tempfile::tempdir().unwrap();
    let off = "[http]\ntls_listen = \"off\"\n[rtmp]\ntls_listen = \"off\"\n[mqtt]\ntls_listen = \"off\"";
    let mut config = Config::parse("test", off, []).unwrap();
    config.data_dir = data.path().to_owned();
    assert!(Tls::open(&config, &Clock::manual(at(0))).unwrap().is_none());
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}
