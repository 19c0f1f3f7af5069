use std::path::Path;

use stagebox_protocol::telemetry::OutputRole;

use super::{ChannelPair, Config, ConfigError, EdidSetting, SourceConfig};

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(Path::new("box.toml"), text, variables)
}

#[test]
fn an_empty_file_is_a_whole_configuration() {
    assert_eq!(parse("", &[]).unwrap(), Config::default());
}

#[test]
fn everything_can_be_set() {
    let config = parse(
        r#"
        data_dir = "/data"
        [source]
        kind = "file"
        path = "clip.mp4"
        [video]
        width = 640
        height = 360
        fps = 15
        bitrate_kbps = 800
        [audio]
        bitrate_kbps = 96
        device = "hw:1,0"
        channels = "3/4"
        delay_ms = 80
        gain_db = -6
        mute = true
        [record]
        dir = "/media"
        segment_s = 60
        [[outputs]]
        role = "main"
        url = "rtmp://127.0.0.1:1935/live"
        key = "k"
        [cloud]
        url = "http://127.0.0.1:8080"
        id = "box_1"
        secret = "s"
        mqtt_url = "mqtt://127.0.0.1:1883"
        [panel]
        socket = "/run/panel.sock"
        "#,
        &[],
    )
    .unwrap();
    assert_eq!(config.source, SourceConfig::File { path: "clip.mp4".into(), script: Vec::new() });
    let (pair, gain_db) = (Some(ChannelPair::ThreeFour), config.audio.gain_db);
    assert_eq!((config.audio.channels, config.audio.delay_ms, gain_db), (pair, 80, -6.0));
    assert_eq!(config.outputs[0].role, OutputRole::Main);
    assert_eq!(config.record_dir(), Path::new("/media"));
    assert!(!format!("{config:?}").contains("\"s\""), "secrets do not show");
}

const CLOUD: &str =
    "[cloud]\nurl = \"https://h\"\nid = \"box_1\"\nsecret = \"s\"\nmqtt_url = \"mqtts://h\"\n";

#[test]
fn unknown_keys_are_named() {
    for (text, named) in [
        (&*format!("{CLOUD}tls_fingerprint = \"sha256:12\""), "64 hexadecimal digits"),
        ("[video]\nframerate = 30", "framerate"),
        ("[sauce]\nkind = \"file\"", "sauce"),
        ("[source]\nkind = \"pattern\"\npath = \"x\"", "path"),
        ("[source]\nkind = \"file\"", "path"),
        ("[source]\nkind = \"hdmi\"", "hdmi"),
        ("[audio]\nchannels = \"2/3\"", "`1/2`, `3/4`, `5/6`, `7/8`"),
        ("[[outputs]]\nrole = \"fifth\"\nurl = \"rtmp://h/live\"\nkey = \"k\"", "fifth"),
        ("[source]\nkind = \"v4l2\"\ndevice = \"/dev/video0\"\nedid = \"4k\"", "unknown variant `4k`"),
    ] {
        let message = parse(text, &[]).unwrap_err().to_string();
        assert!(message.contains(named) && message.contains("box.toml"), "{message}");
    }
}

#[test]
fn values_out_of_range_name_field_and_fix() {
    for (text, field) in [
        ("[video]\nfps = 0", "video.fps"),
        ("[video]\nwidth = 641", "video.width"),
        ("[video]\npreset = \"quick\"", "video.preset"),
        ("[audio]\ndelay_ms = -1", "audio.delay_ms"),
        (
            "[audio]\ndevice = \"hw:0\"\n[source]\nkind = \"pattern\"\nscript = [\"clock +9 ppm\"]",
            "audio.device",
        ),
        ("[[outputs]]\nrole = \"main\"\nurl = \"http://h/live\"\nkey = \"k\"", "outputs[0].url"),
        ("[[outputs]]\nrole = \"main\"\nurl = \"rtmp://h/live\"\nkey = \"\"", "outputs[0].key"),
        (
            &format!("{CLOUD}ca_file = \"ca.pem\"\ntls_fingerprint = \"sha256:{}\"", "00".repeat(32)),
            "cloud.tls_fingerprint",
        ),
    ] {
        let message = parse(text, &[]).unwrap_err().to_string();
        assert!(message.starts_with(field) && message.contains(';'), "{message}");
    }
}

#[test]
fn the_environment_overrides_any_key() {
    let config = parse(
        "[video]\nfps = 25",
        &[
            ("STAGEBOX_VIDEO__FPS", "50"),
            ("STAGEBOX_VIDEO__ZERO_LATENCY", "true"),
            ("STAGEBOX_DATA_DIR", "/elsewhere"),
            ("STAGEBOX_AUDIO__GAIN_DB", "-4.5"),
            ("STAGEBOX_AUDIO__CHANNELS", "1/2"),
            ("STAGEBOX_SOURCE__KIND", "file"),
            ("STAGEBOX_SOURCE__PATH", "1234"),
            ("STAGEBOX_OUTPUTS__0__ROLE", "backup"),
            ("STAGEBOX_OUTPUTS__0__URL", "rtmp://h/live"),
            ("STAGEBOX_OUTPUTS__0__KEY", "42"),
            ("STAGEBOX_HTTP__LISTEN", "belongs to the cloud"),
        ],
    )
    .unwrap();
    assert_eq!((config.video.fps, config.video.zero_latency), (50, true));
    assert_eq!(config.source, SourceConfig::File { path: "1234".into(), script: Vec::new() });
    assert_eq!(config.outputs[0].key.expose(), "42");
    assert_eq!(config.data_dir, Path::new("/elsewhere"));
    assert_eq!((config.audio.gain_db, config.audio.channels), (-4.5, Some(ChannelPair::OneTwo)));
}

#[test]
fn a_capture_device_has_an_edid() {
    let source = |edid| SourceConfig::V4l2 { device: "/dev/video0".into(), edid };
    let text = "[source]\nkind = \"v4l2\"\ndevice = \"/dev/video0\"\n";
    assert_eq!(parse(text, &[]).unwrap().source, source(EdidSetting::Auto));
    let config = parse(&format!("{text}edid = \"1080p30\""), &[]).unwrap();
    assert_eq!(config.source, source(EdidSetting::P1080At30));
    let config = parse(text, &[("STAGEBOX_SOURCE__EDID", "none")]).unwrap();
    assert_eq!(config.source, source(EdidSetting::None));
}

#[test]
fn a_wrong_override_names_its_variable() {
    for (name, value) in [
        ("STAGEBOX_VIDEO__FRAMERATE", "30"),
        ("STAGEBOX_VIDEO__FPS", "thirty"),
        ("STAGEBOX_OUTPUTS__7__URL", "rtmp://h/live"),
        ("STAGEBOX_VIDEO", "big"),
        ("STAGEBOX_OUTPUTS__URL", "rtmp://h/live"),
    ] {
        if let Ok(config) = parse("", &[(name, value)]) {
            assert_eq!(name, "STAGEBOX_VIDEO", "{config:?}");
            continue;
        }
        let message = parse("", &[(name, value)]).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn the_shipped_configuration_parses() {
    let config = parse(include_str!("../../../images/etc/agent.toml"), &[]).unwrap();
    assert_eq!(config.panel.socket.as_deref(), Some(Path::new("/run/stagebox/panel.sock")));
}
