//! What is taken, what is refused, and how it is said.

use super::*;

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::parse("test", text, environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

#[test]
fn the_shipped_example_parses() {
    let config = parse(include_str!("../../stagebox-cloud.example.toml"), &[]).unwrap();
    assert_eq!(config.live.part_ms, 500);
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = parse(
        "data_dir = \"/a\"\n[http]\nlisten = \"127.0.0.1:1\"",
        &[
            ("STAGEBOX_HTTP__LISTEN", "127.0.0.1:0"),
            ("STAGEBOX_DATA_DIR", "/b"),
            ("STAGEBOX_LIVE__TRANSCODE", "false"),
            ("STAGEBOX_OUTBOUND__ALLOW", "[\"127.0.0.0/8\"]"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.http.listen.port(), 0);
    assert_eq!(config.data_dir, PathBuf::from("/b"));
    assert_eq!(config.secrets_key_path(), PathBuf::from("/b.key"));
    assert!(!config.live.transcode);
    assert_eq!(config.outbound.allow, ["127.0.0.0/8"]);
}

#[test]
fn wrong_keys_and_values_are_named() {
    for (text, environment, wanted) in [
        ("[http]\nlistn = \"x\"", None, "listn"),
        ("[http]\nlisten = \"nowhere\"", None, "listen"),
        ("[live]\npart_ms = 5", None, "live.part_ms"),
        ("[live]\nsegment_ms = 600", None, "live.segment_ms"),
        ("[admin]\nemail = \"nobody\"", None, "admin.email"),
        ("[http]\npublic_url = \"live.example.org\"", None, "http.public_url"),
        ("[rtmp]\npublic_url = \"http://x/live\"", None, "rtmp.public_url"),
        ("[http]\nlisten = \"0.0.0.0:80\"", None, "http.allow_plaintext"),
        ("[rtmp]\nlisten = \"[::]:1935\"", None, "rtmp.allow_plaintext"),
        ("[mqtt]\nlisten = \"10.0.0.1:1883\"", None, "mqtt.tls_listen"),
        ("[http]\ntls_listen = \"on\"", None, "neither address and port nor \"off\""),
        ("[http]\ntrusted_proxies = [\"10.0.0.1\"]", None, "http.trusted_proxies"),
        ("[outbound]\nallow = [\"loopback\"]", None, "outbound.allow"),
        ("[hooks]\nallow = [\"127.0.0.0/8\"]", None, "`[outbound] allow` now"),
        ("[store]\nkind = \"mysql\"", None, "mysql"),
        ("[store]\nkind = \"postgres\"", None, "store.url"),
        ("[store]\nurl = \"postgres://a@h/d\"", None, "store.kind"),
        ("[store]\nkind = \"postgres\"\nurl = \"postgres://a@h\"", None, "names no database"),
        ("[store]\nkind = \"postgres\"\nurl = \"postgres://a@h/d\"\nschema = \"No\"", None, "store.schema"),
        ("[media]\nkind = \"s3\"", None, "media.bucket"),
        ("[media]\nkind = \"ftp\"", None, "kind"),
        ("[jobs]\nlease_ms = 5", None, "jobs.lease_ms"),
        ("[jobs]\nkeep_ended_h = 0", None, "jobs.keep_ended_h"),
        ("data_dir = ", None, "line 1"),
        ("", Some(("STAGEBOX_HTTP__PORT", "1")), "port"),
        ("", Some(("STAGEBOX_DATA_DIR__X", "1")), "data_dir"),
    ] {
        let error = parse(text, environment.as_slice()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text} {environment:?}: {error}");
    }
}

#[test]
fn plaintext_leaves_this_machine_only_when_told_to() {
    let text = "[http]\nlisten = \"0.0.0.0:80\"\nallow_plaintext = true\ntls_listen = \"off\"\n\
                [rtmp]\ntls_listen = \"0.0.0.0:1936\"";
    let config = parse(text, &[]).unwrap();
    assert_eq!(config.http.tls_listen, Listen::Off);
    assert_eq!(config.rtmp.tls_listen.address().map(|address| address.port()), Some(1936));
    assert_eq!(config.mqtt.tls_listen, Listen::At(([127, 0, 0, 1], 8883).into()));
}

#[test]
fn a_password_is_taken_from_the_environment_as_it_is_and_shown_nowhere() {
    let text = "[store]\nkind = \"postgres\"\nurl = \"postgres://a:hunter2@h/d\"";
    let config = parse(text, &[("STAGEBOX_STORE__PASSWORD", "00123")]).unwrap();
    assert_eq!(config.store.password.as_ref().map(Hidden::reveal), Some("00123"));
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("00123"), "{shown}");
    for text in [
        "[store]\nurll = \"postgres://a:hunter2@h/d\"",
        "[store]\npassword = [\"hunter2\"]",
        "[store]\nkind = \"postgres\"\nurl = \"postgres://a:hunter2@h/d?sslmode=x\"",
    ] {
        let error = parse(text, &[]).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
