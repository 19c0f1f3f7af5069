use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::remote::{MOST_PROBLEMS, MOST_WORDS};
use super::{Change, Config, EdidSetting, FileConfig, LastGood, SourceConfig, Start, shown};
use stagebox_protocol::ConfigProblem;

fn change(value: Value) -> Change {
    let Value::Object(change) = value else { panic!("a change is an object") };
    change
}

fn file(text: &str) -> FileConfig {
    FileConfig::parse(Path::new("/etc/box.toml"), text, []).unwrap().0
}

const FILE: &str = "data_dir = \"/data\"\n[source]\nkind = \"v4l2\"\ndevice = \"/dev/video0\"\n\
    [video]\nwidth = 1280\nheight = 720\nfps = 25\nfloor_kbps = 900\n[record]\nquota_gib = 5\ndir = \"/rec\"\n";

#[test]
fn a_change_is_laid_over_the_file() {
    let wanted = json!({
        "video": { "fps": 50, "floor_kbps": null },
        "record": { "quota_gib": null, "keep_days": 7, "when_full": "delete_oldest" },
        "backup": { "push": "cold" },
        "alarms": { "silence_dbfs": -50 },
    });
    let config = file(FILE).with(&change(wanted)).unwrap();
    assert_eq!((config.video.fps, config.video.width, config.video.floor_kbps), (50, 1280, None));
    assert_eq!((config.record.quota_gib, config.record.keep_days), (None, Some(7)));
    assert_eq!(config.record_dir(), Path::new("/rec"));
    assert_eq!(config.source, SourceConfig::V4l2 { device: "/dev/video0".into(), edid: EdidSetting::Auto });
    // Another kind of source has other keys; paths are taken from the file's folder, as in the file.
    let wanted = json!({ "source": { "kind": "file", "path": "clip.mp4" } });
    let config = file(FILE).with(&change(wanted)).unwrap();
    assert_eq!(config.source, SourceConfig::File { path: "/etc/clip.mp4".into(), script: Vec::new() });
    assert_eq!(
        file(FILE).with(&Change::new()).unwrap(),
        FileConfig::parse(Path::new("/etc/box.toml"), FILE, []).unwrap().1
    );
}

#[test]
fn what_is_wrong_is_named_key_by_key() {
    for (wanted, fields) in [
        (json!({ "video": { "fps": 0 } }), vec!["video.fps"]),
        (
            json!({ "video": { "fps": 0, "width": 641, "keyframe_s": 99 } }),
            vec!["video.width", "video.fps", "video.keyframe_s"],
        ),
        (
            json!({ "video": { "fps": "fast" }, "record": { "segment_s": 1 } }),
            vec!["video.fps", "record.segment_s"],
        ),
        (json!({ "video": { "framerate": 30 } }), vec!["video.framerate"]),
        (json!({ "video": { "fps": 18_446_744_073_709_551_615_u64 } }), vec!["video.fps"]),
        (json!({ "video": { "preset": [null] } }), vec!["video.preset"]),
        (json!({ "source": { "kind": "hdmi" } }), vec!["source.kind"]),
        (json!({ "source": { "kind": "pattern", "script": ["soon"] } }), vec!["source.script[0]"]),
        (json!({ "video": 30 }), vec!["video"]),
        (json!({ "video": null }), vec!["video"]),
        // The floor is the file's: it is named, although the change did not touch it.
        (json!({ "video": { "bitrate_kbps": 500 } }), vec!["video.floor_kbps"]),
        (
            json!({ "cloud": { "url": "http://evil" }, "data_dir": "/", "record": { "dir": "/" }, "panel": {}, "outputs": [], "sauce": {} }),
            vec!["cloud", "data_dir", "outputs", "panel", "record.dir", "sauce"],
        ),
    ] {
        let problems = file(FILE).with(&change(wanted.clone())).unwrap_err();
        let mut named: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        let mut fields = fields;
        named.sort_unstable();
        fields.sort_unstable();
        assert_eq!(named, fields, "{wanted}: {problems:?}");
        assert!(
            problems.iter().all(|problem| !problem.problem.is_empty() && !problem.fix.is_empty()),
            "{problems:?}"
        );
    }
}

#[test]
fn what_the_recorder_takes_at_its_start_only_is_not_changed_from_afar_and_the_shipped_file_says_so() {
    let record = Value::from(shown(&Config::default()))["record"].clone();
    let all = serde_json::to_value(Config::default().record).unwrap();
    let words = include_str!("../../../images/etc/agent.toml").split("data_dir").next().unwrap();
    for key in all.as_object().unwrap().keys() {
        let is_closed = record.get(key).is_none();
        assert_eq!(words.contains(&format!("`{key}`")), is_closed, "{key}");
        if is_closed {
            let problems = file(FILE).with(&change(json!({ "record": { key: true } }))).unwrap_err();
            assert_eq!(problems[0].field, format!("record.{key}"));
        }
    }
}

#[test]
fn what_is_told_of_a_long_change_fits_a_report() {
    let long = "ä".repeat(10_000);
    let keys: Change = (0..3).map(|number| (format!("{long}{number}"), json!(1))).collect();
    let wanted = change(json!({ "video": { "encoder": long }, "cloud": keys.clone() }));
    let many: Change = (0..5_000).map(|number| (format!("key{number}"), json!(1))).collect();
    let sections: Change = keys.into_iter().chain(many).collect();
    for wanted in [wanted, sections] {
        let problems = file(FILE).with(&wanted).unwrap_err();
        let length = |problem: &ConfigProblem| {
            [&problem.field, &problem.problem, &problem.fix].map(|text| text.chars().count())
        };
        assert!(problems.len() <= MOST_PROBLEMS);
        assert!(problems.iter().flat_map(length).all(|length| length <= MOST_WORDS + 1), "{problems:?}");
    }
}

#[test]
fn what_is_shown_can_be_wanted_and_holds_no_secret() {
    let text = format!(
        "{FILE}[cloud]\nurl = \"http://h\"\nid = \"box_1\"\nsecret = \"hush\"\nmqtt_url = \"mqtt://h\"\n"
    );
    let (file, config) = FileConfig::parse(Path::new("/etc/box.toml"), &text, []).unwrap();
    let shown = shown(&config);
    assert!(!Value::from(shown.clone()).to_string().contains("hush"));
    assert!(shown["record"].get("dir").is_none() && shown["record"]["segment_s"] == 1800, "{shown:?}");
    assert_eq!(file.with(&shown).unwrap(), config);
}

#[test]
fn a_start_lays_what_holds_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = (folder.path().join("box.toml"), folder.path().join("data"));
    std::fs::create_dir(&data).unwrap();
    let write = |text: &str| std::fs::write(&path, format!("data_dir = \"data\"\n{text}")).unwrap();
    let start = || Start::read(&path, []);
    write("[video]\nfps = 25\n");
    let first = start().unwrap();
    assert_eq!((first.config.video.fps, first.alone, first.notes.len()), (25, None, 0));
    let kept = LastGood {
        version: 4,
        change: change(json!({ "video": { "fps": 50, "floor_kbps": 800 } })),
        ..first.last_good
    };
    kept.keep(&data).unwrap();
    let second = start().unwrap();
    assert_eq!((second.config.video.fps, second.last_good.version), (50, 4));
    assert_eq!(second.alone.map(|alone| alone.video.fps), Some(25));
    // The file changed so that both do not fit together.
    write("[video]\nfps = 25\nbitrate_kbps = 700\n");
    let third = start().unwrap();
    assert_eq!((third.config.video.fps, third.last_good.version), (25, 0));
    assert!(third.notes[0].contains("video.floor_kbps"), "{:?}", third.notes);
    assert_eq!(third.refused.map(|refused| refused.version), Some(4));
}

#[test]
fn a_broken_file_is_no_end_for_a_box_that_worked() {
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = (folder.path().join("box.toml"), folder.path().join("data"));
    std::fs::create_dir(&data).unwrap();
    let good = "data_dir = \"data\"\n[video]\nfps = 25\n[cloud]\nurl = \"http://h\"\nid = \"box_1\"\nsecret = \"hush\"\nmqtt_url = \"mqtt://h\"\n";
    std::fs::write(&path, good).unwrap();
    let start = Start::read(&path, []).unwrap();
    let kept = LastGood { version: 2, change: change(json!({ "video": { "fps": 50 } })), ..start.last_good };
    kept.keep(&data).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(data.join("config.json")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "it holds the box's secret");
    // A typo, a file that was cut short, and none at all.
    for broken in ["data_dir = \"data\"\n[video]\nfsp = 25\n", "data_dir = \"data\"\n[vide"] {
        std::fs::write(&path, broken).unwrap();
        let start = Start::read(&path, []).unwrap();
        assert_eq!((start.config.video.fps, start.last_good.version), (50, 2));
        assert_eq!(start.config.cloud.unwrap().secret.expose(), "hush");
        assert!(
            start.notes[0].contains("box.toml") && start.notes[0].contains("worked last"),
            "{:?}",
            start.notes
        );
    }
    std::fs::remove_file(&path).unwrap();
    let elsewhere = [("STAGEBOX_DATA_DIR".to_owned(), data.display().to_string())];
    assert_eq!(Start::read(&path, elsewhere).unwrap().config.video.fps, 50);
    assert!(Start::read(&path, []).is_err(), "where its state is, nobody knows");
    // It is not another box's.
    let other = folder.path().join("other.toml");
    std::fs::write(&other, "data_dir = \"data\"\nfsp = 25\n").unwrap();
    assert!(Start::read(&other, []).is_err());
    // What was kept is broken, too: the file says why it starts not.
    std::fs::write(&path, "data_dir = \"data\"\nfsp = 25\n").unwrap();
    std::fs::write(data.join("config.json"), "{").unwrap();
    assert!(Start::read(&path, []).unwrap_err().to_string().contains("fsp"));
}

#[test]
fn no_secret_is_told_of_a_configuration_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = (folder.path().join("box.toml"), folder.path().join("data"));
    std::fs::create_dir(&data).unwrap();
    let good = "data_dir = \"data\"\n";
    std::fs::write(&path, good).unwrap();
    Start::read(&path, []).unwrap().last_good.keep(&data).unwrap();
    let output = "[[outputs]]\nrole = \"main\"\nurl = \"rtmp://h/live\"\n";
    for (broken, words) in [
        // The quote at the end is missing; it is a number; it stands where another value belongs, or as a key.
        (format!("{output}key = \"sk-90210-hush"), "line 5, column "),
        (format!("{output}key = sk-90210-hush\n"), "line 5, column "),
        (format!("{output}key = 9021090210\n"), "line 5, column 7: invalid type: integer `***`"),
        ("[cloud]\nid = \"box_1\"\nsecret = \"sk-90210-hush\" \"\n".to_owned(), "line 4, column "),
        ("cloud = \"sk-90210-hush\"\n".to_owned(), "invalid type: string \"***\""),
        ("[[outputs]]\nrole = \"sk-90210-hush\"\n".to_owned(), "unknown variant `***`"),
        ("[video]\nsk-90210-hush = 1\n".to_owned(), "unknown field `***`"),
        ("[cloud]\ntls_fingerprint = \"sk-90210-hush\"\n".to_owned(), "`***` is no fingerprint"),
    ] {
        std::fs::write(&path, format!("{good}{broken}")).unwrap();
        let start = Start::read(&path, []).unwrap();
        let alone = Config::parse(&path, &format!("{good}{broken}"), []).unwrap_err().to_string();
        for told in [&start.notes[0], &alone] {
            assert!(told.contains(words) && !told.contains("90210"), "{told}");
        }
    }
    std::fs::write(&path, good).unwrap();
    for name in [
        "STAGEBOX_VIDEO__FPS",
        "STAGEBOX_OUTPUTS__0__ROLE",
        "STAGEBOX_OUTPUTS__0",
        "STAGEBOX_CLOUD__TLS_FINGERPRINT",
    ] {
        let start = Start::read(&path, [(name.to_owned(), "sk-90210-hush".to_owned())]).unwrap();
        assert!(start.notes[0].contains(name) && !start.notes[0].contains("90210"), "{:?}", start.notes);
    }
    for wanted in
        [json!({ "video": { "fps": "sk-90210-hush" } }), json!({ "backup": { "push": "sk-90210" } })]
    {
        let problems = file(FILE).with(&change(wanted)).unwrap_err();
        assert!(!format!("{problems:?}").contains("90210"), "{problems:?}");
    }
}

fn wild() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0i64..5_000).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        "[a-z]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,9}", inner, 0..3)
                .prop_map(|map| Value::from(map.into_iter().collect::<Change>())),
        ]
    })
}

fn wild_change() -> impl Strategy<Value = Change> {
    let keys = prop::sample::select(vec![
        "fps",
        "width",
        "bitrate_kbps",
        "floor_kbps",
        "kind",
        "device",
        "quota_gib",
        "push",
        "silence_s",
        "dir",
        "x",
    ]);
    let section = prop::collection::btree_map(keys, wild(), 0..4).prop_map(|map| {
        Value::from(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Change>())
    });
    let name = prop::sample::select(vec![
        "source", "video", "audio", "alarms", "record", "backup", "cloud", "data_dir",
    ]);
    prop::collection::btree_map(name, prop_oneof![4 => section, 1 => wild()], 0..5)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

proptest! {
    /// Whatever is wanted is refused in words or makes a configuration that is as good as a file's, and touches nothing
    /// that is not to be changed.
    #[test]
    fn a_change_is_refused_in_words_or_holds(wanted in wild_change()) {
        let file = file(FILE);
        match file.with(&wanted) {
            Ok(config) => {
                prop_assert!(config.validate().is_ok());
                let before = file.with(&Change::new()).unwrap();
                let closed = |config: &Config| (config.data_dir.clone(), config.record.dir.clone(), config.cloud.clone(), config.outputs.clone());
                prop_assert_eq!(closed(&config), closed(&before));
                prop_assert_eq!(file.with(&shown(&config)).unwrap(), config);
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty() && problems.len() <= MOST_PROBLEMS);
                prop_assert!(problems.iter().all(|problem| !problem.problem.is_empty()));
            }
        }
    }
}
