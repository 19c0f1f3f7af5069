//! Sealing, the key file, and changing the key, also broken off anywhere.

use super::check::{KeyCheck, Stage};
use super::*;
use crate::app::Addresses;
use crate::clock::Clock;
use crate::cluster::NodeRecord;
use crate::config::Config;
use crate::event::{EventView, Events, ListOptions, NewEvent};
use crate::store::{Account, Document, Owner, Progress, Store};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

fn seal(vault: &Vault, context: &str, secret: &[u8]) -> Sealed {
    vault.ring().sealing.seal(context, secret)
}

fn line(number: u8, is_new: bool) -> file::Line {
    file::Line { key: [number; KEY_LEN], is_new }
}

#[test]
fn a_secret_opens_only_where_it_belongs() {
    let vault = Vault::from_key(&[7; 32]);
    let sealed = seal(&vault, "a", b"secret");
    assert_ne!(sealed, seal(&vault, "a", b"secret"));
    assert_eq!(vault.unseal("a", &sealed).unwrap(), b"secret");
    assert!(matches!(vault.unseal("b", &sealed), Err(SecretError::Open)));
    let foreign = Vault::from_key(&[8; 32]).unseal("a", &sealed).unwrap_err().to_string();
    assert!(foreign.contains(&vault.keys().seals), "{foreign}");
    // As the versions that had one key only sealed it.
    let (_, old) = sealed.parts();
    assert_eq!(vault.unseal("a", &Sealed::from_text(old)).unwrap(), b"secret");
    assert!(Vault::from_key(&[8; 32]).unseal("a", &Sealed::from_text(old)).is_err());
    let text = sealed.text();
    for damaged in ["", "AA==", "%", &old[4..], "sealed:", &text[..text.len() - 4]] {
        assert!(vault.unseal("a", &Sealed::from_text(damaged)).is_err(), "{damaged}");
    }
    assert!(!format!("{sealed:?}").contains(old));
}

#[test]
fn the_key_file_is_made_once_and_kept_from_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sub/data.key");
    assert!(matches!(Vault::open(&path, true), Err(SecretError::Missing(_))));
    let print = Vault::open(&path, false).unwrap().fingerprint("x", b"y");
    assert_eq!(Vault::open(&path, true).unwrap().fingerprint("x", b"y"), print);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    file::change(&path, |lines| lines.push(line(9, true))).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Vault::open(&path, true).unwrap().keys().opens.len(), 2);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Vault::open(&path, true).unwrap_err().to_string().contains("chmod 600"));
}

#[test]
fn a_key_file_that_is_a_link_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("real.key"), directory.path().join("data.key"));
    file::create(&path, &[1; KEY_LEN]).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    file::change(&link, |lines| lines.push(line(2, true))).unwrap();
    assert!(link.is_symlink());
    assert_eq!(file::read(&path).unwrap().unwrap(), [line(1, false), line(2, true)]);
}

#[test]
fn a_key_file_that_is_no_key_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.key");
    for (text, words) in [
        ("", "bring back a copy"),
        ("\n", "is empty"),
        ("0123", "64 hexadecimal digits"),
        (&format!("{} old\n", "01".repeat(KEY_LEN)), "64 hexadecimal digits"),
    ] {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for has_data in [false, true] {
            let error = Vault::open(&path, has_data).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let made = file::create(&path, &[1; KEY_LEN]).unwrap_err();
        assert_eq!(made.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// An embedded store with its key file.
struct House {
    directory: TempDir,
    store: Store,
    vault: Vault,
    events: Events,
}

impl House {
    async fn set() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open_sled(&directory.path().join("store"), Clock::system()).unwrap();
        Self::over(directory, store).await
    }

    async fn over(directory: TempDir, store: Store) -> Self {
        let vault = Vault::open(&directory.path().join("data.key"), false).unwrap();
        vault.check(&store).await.unwrap();
        let events = Events::new(
            store.clone(),
            vault.clone(),
            Arc::new(Config::default()),
            Arc::<Addresses>::default(),
        );
        Self { directory, store, vault, events }
    }

    /// The same store as a process that has just started sees it.
    async fn restart(self) -> Self {
        Self::over(self.directory, self.store).await
    }

    async fn rotate(&self, progress: &Progress) -> Result<String, SecretError> {
        let clock = Clock::system();
        Rotation { vault: &self.vault, store: &self.store, clock: &clock, node: "own" }.run(progress).await
    }

    async fn event(&self) -> EventView {
        self.events
            .create(NewEvent { account: Account::FIRST, title: "x".to_owned(), device_id: None }, None)
            .await
            .unwrap()
    }

    async fn stage(&self) -> Stage {
        KeyCheck::read(&self.store).await.unwrap().unwrap().document.stage
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("data.key")).unwrap()
    }

    /// All events with their keys, each of which is found by its key.
    async fn all(&self) -> Vec<(String, String, String)> {
        let options = ListOptions { limit: 500, ..ListOptions::default() };
        let mut all = Vec::new();
        for event in self.events.list(options).await.unwrap().items {
            let (main, backup) = (event.inputs.main.key.reveal(), event.inputs.backup.key.reveal());
            for key in [main, backup] {
                assert_eq!(self.events.input_for_key(key).await.unwrap().unwrap().0, event.id);
            }
            all.push((event.id.to_string(), main.to_owned(), backup.to_owned()));
        }
        all
    }

    /// How many documents hold a text.
    async fn holding(&self, text: &str) -> usize {
        let (mut walk, mut found) = (self.store.walk_documents().unwrap(), 0);
        while let Some(piece) = walk.next().await.unwrap() {
            found += piece.iter().filter(|kept| String::from_utf8_lossy(&kept.body).contains(text)).count();
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_takes_over_while_events_are_made() {
    let house = House::set().await;
    let mut made = Vec::new();
    for _ in 0..40 {
        made.push(house.event().await);
    }
    let (old, file) = (house.vault.keys().seals, house.file());
    let journal = house.store.journal_seq(Account::FIRST);
    let made_meanwhile = async {
        let mut made = Vec::new();
        for _ in 0..60 {
            made.push(house.event().await);
        }
        made
    };
    let progress = Progress::unwatched();
    let (done, more) = tokio::join!(house.rotate(&progress), made_meanwhile);
    assert!(done.unwrap().contains(&house.vault.keys().seals));
    made.extend(more);
    assert_ne!(house.vault.keys().seals, old);
    assert_eq!(house.vault.keys().opens.len(), 1);
    assert_eq!((house.file().lines().count(), house.file() == file), (1, false));
    assert_eq!(house.holding(&format!("sealed:{old}:")).await, 0);
    assert_eq!(house.holding(&format!("sealed:{}:", house.vault.keys().seals)).await, 100);
    let told = house.store.journal_seq(Account::FIRST) - journal;
    assert!(told <= 120, "the change itself is no news: {told}");
    let house = house.restart().await;
    let known = |event: &EventView| {
        let key = |input: &crate::event::InputView| input.key.reveal().to_owned();
        (event.id.to_string(), key(&event.inputs.main), key(&event.inputs.backup))
    };
    let mut made: Vec<_> = made.iter().map(known).collect();
    made.reverse();
    assert_eq!(house.all().await, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_broken_off_at_any_step_goes_on_after_a_restart() {
    let mut stages = Vec::new();
    for steps in 0..8 {
        let mut house = House::set().await;
        for _ in 0..3 {
            house.event().await;
        }
        let (all, old) = (house.all().await, house.vault.keys().seals);
        let cancelled = CancellationToken::new();
        let (token, left) = (cancelled.clone(), std::sync::atomic::AtomicUsize::new(steps));
        let tell = move |_, _| {
            if left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1 {
                token.cancel();
            }
        };
        if steps == 0 {
            cancelled.cancel();
        }
        let first = house.rotate(&Progress::new(tell, cancelled)).await;
        let broken_off = matches!(first, Err(SecretError::Cancelled));
        assert!(broken_off || first.is_ok(), "{steps}: {first:?}");
        assert_eq!(house.file().lines().count(), if broken_off { 2 } else { 1 });
        assert_eq!(house.stage().await == Stage::Settled, !broken_off);
        stages.push(house.stage().await.name());
        house = house.restart().await;
        assert_eq!(house.all().await, all, "{steps}");
        if broken_off {
            house.rotate(&Progress::unwatched()).await.unwrap();
        }
        assert_eq!(house.file().lines().count(), 1, "it went on with the key that it had made");
        assert_eq!((house.holding(&format!("sealed:{old}:")).await, house.all().await), (0, all));
    }
    for stage in ["announced", "rewriting", "settled"] {
        assert!(stages.contains(&stage), "{stages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_made_before_a_power_cut_is_taken() {
    let house = House::set().await;
    let path = house.directory.path().join("data.key");
    file::change(&path, |lines| lines.push(line(3, true))).unwrap();
    let house = house.restart().await;
    house.rotate(&Progress::unwatched()).await.unwrap();
    assert_eq!(file::read(&path).unwrap().unwrap(), [line(3, false)]);
    house.rotate(&Progress::unwatched()).await.unwrap();
    assert_ne!(file::read(&path).unwrap().unwrap(), [line(3, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_done_with_leaves_the_file_though_the_power_went_before() {
    let house = House::set().await;
    house.event().await;
    let before = file::read(&house.directory.path().join("data.key")).unwrap().unwrap();
    house.rotate(&Progress::unwatched()).await.unwrap();
    file::change(&house.directory.path().join("data.key"), |lines| lines.extend(before)).unwrap();
    let house = house.restart().await;
    assert_eq!((house.file().lines().count(), house.all().await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_is_waited_for_until_it_has_the_key() {
    let house = House::set().await;
    house.event().await;
    let other = Vault::open(&house.directory.path().join("data.key"), true).unwrap();
    other.check(&house.store).await.unwrap();
    let beat = async |until: i64| {
        let now = Clock::system().now();
        let record = NodeRecord {
            id: "other".to_owned(),
            roles: crate::cluster::Roles::default(),
            http: None,
            rtmp: None,
            cluster: None,
            keys: other.keys(),
            started_at: now,
            seen_at: now,
            until: now.plus(Duration::from_secs(until.unsigned_abs())),
        };
        house.store.commit(house.store.batch().put(&record)).await.unwrap();
    };
    beat(600).await;
    let (told, mut words) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |_, words| {
        let _ = told.send(words);
    };
    let progress = Progress::new(tell, CancellationToken::new());
    let rotating = house.rotate(&progress);
    tokio::pin!(rotating);
    for wanted in ["other to know the key", "other to seal with the key"] {
        tokio::select! {
            done = &mut rotating => panic!("it did not wait: {done:?}"),
            () = async { while !words.recv().await.unwrap().contains(wanted) {} } => {}
        }
        let before = other.keys();
        other.check(&house.store).await.unwrap();
        other.find(|_| false);
        assert_ne!(other.keys(), before);
        beat(600).await;
    }
    rotating.await.unwrap();
    assert_eq!(other.keys().seals, house.vault.keys().seals);
    // One that was away all the time and has a file of its own.
    let away = house.directory.path().join("away.key");
    file::create(&away, &[5; KEY_LEN]).unwrap();
    let away = Vault::open(&away, true).unwrap();
    let refused = away.check(&house.store).await.unwrap_err().to_string();
    assert!(
        refused.contains(&house.vault.keys().seals) && refused.contains("copy of the newest"),
        "{refused}"
    );
    assert!(away.sealing().await.is_err(), "nothing is sealed with a key that is done with");
}

/// A kind that keeps a secret and was forgotten in the list.
#[derive(Serialize, Deserialize)]
struct Forgotten {
    secret: Sealed,
}

impl Document for Forgotten {
    const KIND: &'static str = "forgotten";

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        "one".to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_nobody_seals_anew_keeps_its_key() {
    let house = House::set().await;
    let secret = seal(&house.vault, "x", b"hush");
    house.store.create(Forgotten { secret }).await.unwrap();
    let refused = house.rotate(&Progress::unwatched()).await.unwrap_err();
    assert!(matches!(&refused, SecretError::Unlisted { kind, .. } if kind == "forgotten"), "{refused}");
    let house = house.restart().await;
    let kept = house.store.get::<Forgotten>("one").await.unwrap().unwrap();
    assert_eq!(house.vault.unseal("x", &kept.document.secret).unwrap(), b"hush");
    assert!(holders::is_listed("event") && holders::is_listed("hook"));
    assert!(!holders::is_listed("forgotten") && !holders::is_listed("even") && !holders::is_listed(""));
}
