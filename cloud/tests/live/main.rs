//! A broadcast from its frames to what players fetch, through the running server.
#![allow(clippy::disallowed_methods, reason = "a driver: real processes take real time")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod broken;
mod delivery;
mod download;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use stagebox_cloud::account::FirstPassword;
use stagebox_cloud::clock::Clock;
use stagebox_cloud::config::Listen;
use stagebox_cloud::event::{EventStatus, Input, NewEvent};
use stagebox_cloud::id::EventId;
use stagebox_cloud::live::{LiveError, SourceInfo};
use stagebox_cloud::recording::RecordingKind;
use stagebox_cloud::serve::{self, Running};
use stagebox_cloud::{App, Config};
use stagebox_media::cmaf::CmafReader;
use stagebox_media::{Packet, Track};

/// A few seconds of a small picture with a tone, a key frame every second.
fn footage(seconds: u32) -> Vec<Packet> {
    let video = format!("testsrc2=size=320x180:rate=15:duration={seconds}");
    let audio = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &audio])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-bf", "2", "-pix_fmt", "yuv420p"])
        .args(["-c:a", "aac", "-ac", "2", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov", "-"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let mut reader = CmafReader::new();
    reader.push(&output.stdout);
    let mut packets = Vec::new();
    while let Some(packet) = reader.next().unwrap() {
        packets.push(packet);
    }
    packets.sort_by_key(|packet| match packet {
        Packet::Config(_) => i64::MIN,
        Packet::Frame(frame) => frame.dts_ns,
    });
    packets
}

fn frames(packets: &[Packet], track: Track) -> usize {
    packets.iter().filter(|packet| matches!(packet, Packet::Frame(frame) if frame.track == track)).count()
}

async fn cloud(data: &Path) -> Running {
    cloud_with(data, |_| {}).await
}

async fn cloud_with(data: &Path, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config { data_dir: data.join("data"), ..Config::default() };
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.rtmp.listen = ([127, 0, 0, 1], 0).into();
    config.mqtt.enabled = false;
    config.http.tls_listen = Listen::Off;
    config.rtmp.tls_listen = Listen::Off;
    config.live.transcode = false;
    change(&mut config);
    let password = data.join("password");
    let keep = |first: &FirstPassword| std::fs::write(password, &first.password);
    serve::start(config, Clock::system(), keep).await.unwrap()
}

fn base(app: &App, path: &str) -> String {
    format!("http://{}{path}", app.addresses.http.get().unwrap())
}

async fn event(app: &App) -> EventId {
    app.events
        .create(
            NewEvent {
                account: stagebox_cloud::store::Account::FIRST,
                title: "Gala".to_owned(),
                device_id: None,
            },
            None,
        )
        .await
        .unwrap()
        .id
}

async fn set(app: &App, event: &EventId, status: EventStatus) {
    app.events.set_status(event, status, None, None).await.unwrap();
}

async fn send(app: &App, event: &EventId, packets: &[Packet]) {
    let publisher = app.live.publish(event, Input::Main, SourceInfo::default()).await.unwrap();
    for packet in packets {
        publisher.send(packet.clone()).await.unwrap();
    }
}

async fn get(url: &str) -> (u16, String) {
    let response = reqwest::get(url).await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned())
}

/// Asks the API as the administrator.
async fn ask(running: &Running, dir: &Path, method: Method, path: &str, body: Value) -> (u16, Value) {
    let password = std::fs::read_to_string(dir.join("password")).unwrap();
    let request = reqwest::Client::new().request(method, base(&running.app, &format!("/api/v1/{path}")));
    let response = request.basic_auth("admin@localhost", Some(password)).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// Waits for what has to come by itself.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_secs(15);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < limit, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Packets of video and audio that ffprobe plays out of an address.
fn played_out(url: &str) -> (usize, usize) {
    let count = |stream: &str| {
        let output = Command::new("ffprobe")
            .args(["-v", "error", "-count_packets", "-select_streams", stream])
            .args(["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", url])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().lines().next().and_then(|line| line.trim_matches(',').parse().ok()).unwrap_or(0)
    };
    (count("v:0"), count("a:0"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_is_watched_live_and_becomes_an_item() {
    let dir = tempfile::tempdir().unwrap();
    let running = cloud(dir.path()).await;
    let app = &running.app;
    let event = event(app).await;
    let live = base(app, &format!("/live/public/{event}"));
    assert_eq!(get(&format!("{live}/index.m3u8")).await.0, 403);
    set(app, &event, EventStatus::Started).await;
    let packets = footage(9);
    send(app, &event, &packets).await;

    let (status, master) = get(&format!("{live}/index.m3u8")).await;
    assert_eq!(status, 200, "{master}");
    assert!(master.contains("RESOLUTION=320x180,FRAME-RATE=15.000,AUDIO=\"audio\""), "{master}");
    let list = until("the fourth segment", async || {
        let (_, list) = get(&format!("{live}/source/index.m3u8")).await;
        list.contains("\n3.m4s").then_some(list)
    })
    .await;
    assert!(list.contains("#EXT-X-TARGETDURATION:2\n") && list.contains("#EXT-X-PART:"), "{list}");
    for target in ["source/0.m4s", "source/init-0.mp4", "source/3.0.m4s", "audio/2.m4s", "audio/init-0.mp4"] {
        assert_eq!(get(&format!("{live}/{target}")).await.0, 200, "{target}");
    }
    for (target, wanted) in [
        ("source/400.m4s", 404),
        ("source/3.99.m4s", 404),
        ("540p/index.m3u8", 404),
        ("nonsense", 404),
        ("source/index.m3u8?_HLS_msn=400", 400),
        ("source/index.m3u8?_HLS_part=0", 400),
        ("source/index.m3u8?_HLS_msn=0&_HLS_part=0", 200),
    ] {
        assert_eq!(get(&format!("{live}/{target}")).await.0, wanted, "{target}");
    }

    set(app, &event, EventStatus::Ended).await;
    let ended = Instant::now();
    let item = until("the item", async || app.items.of_event(&event).await.unwrap().pop()).await;
    assert!(ended.elapsed() < Duration::from_secs(5), "an item takes no encode");
    assert_eq!((item.width, item.height), (Some(320), Some(180)));
    assert!(item.duration_ms.abs_diff(9_000) < 100, "{}", item.duration_ms);
    let vod = base(app, &format!("/vod/public/{}/index.m3u8", item.id));
    let (video, audio) = tokio::task::spawn_blocking(move || played_out(&vod)).await.unwrap();
    assert_eq!(video, frames(&packets, Track::Video));
    // Sound before the first and after the last picture is left out: less than two B frames' worth.
    let sent = frames(&packets, Track::Audio);
    assert!((sent - 14..=sent).contains(&audio), "{audio} of {sent}");
    assert_eq!(get(&format!("{live}/index.m3u8")).await.0, 403);
    let refused = app.live.publish(&event, Input::Main, SourceInfo::default()).await;
    assert!(matches!(refused, Err(LiveError::Ended)), "{:?}", refused.err());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_playlist_goes_on_after_a_restart_and_a_reconnect() {
    let dir = tempfile::tempdir().unwrap();
    let running = cloud(dir.path()).await;
    let event = event(&running.app).await;
    set(&running.app, &event, EventStatus::Started).await;
    let packets = footage(5);
    send(&running.app, &event, &packets).await;
    until("the first run's end", async || {
        (!running.app.events.get(&event).await.unwrap().unwrap().is_receiving()).then_some(())
    })
    .await;
    running.stop().await;

    let running = cloud(dir.path()).await;
    let app = &running.app;
    let live = base(app, &format!("/live/public/{event}"));
    let (status, before) = get(&format!("{live}/source/index.m3u8?plain=1")).await;
    assert_eq!(status, 200);
    assert_eq!(get(&format!("{live}/source/0.m4s")).await.0, 200);
    send(app, &event, &packets).await;
    let (source, audio) = until("the second run", async || {
        let (_, source) = get(&format!("{live}/source/index.m3u8?plain=1")).await;
        let (_, audio) = get(&format!("{live}/audio/index.m3u8?plain=1")).await;
        (source.contains("\n5.m4s") && audio.contains("\n5.m4s")).then_some((source, audio))
    })
    .await;
    assert!(source.starts_with(before.trim_end()), "{before}\n{source}");
    for list in [&source, &audio] {
        assert_eq!(list.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{list}");
        let (old, new) = list.split_once("#EXT-X-DISCONTINUITY\n").unwrap();
        assert!(old.contains("\n2.m4s") && new.contains("\n3.m4s"), "{list}");
    }
    set(app, &event, EventStatus::Ended).await;
    let item = until("the item", async || app.items.of_event(&event).await.unwrap().pop()).await;
    let vod = base(app, &format!("/vod/public/{}/index.m3u8", item.id));
    let counted = tokio::task::spawn_blocking(move || played_out(&vod)).await.unwrap();
    assert_eq!(counted.0, 2 * frames(&packets, Track::Video));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoder_whose_key_was_replaced_is_cut_off_once_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let running = cloud(dir.path()).await;
    let app = &running.app;
    let event = event(app).await;
    let view = app.events.get(&event).await.unwrap().unwrap();
    let source = SourceInfo { key: Some(view.inputs.main.key), ..SourceInfo::default() };
    let publisher = app.live.publish(&event, Input::Main, source).await.unwrap();
    let packets = footage(2);
    let all = async |packets: &[Packet]| {
        for packet in packets {
            publisher.send(packet.clone()).await?;
        }
        Ok::<_, LiveError>(())
    };
    let (first, rest) = packets.split_at(packets.len() / 2);
    app.events.renew_key(&event, Input::Main, Duration::from_secs(600), None, None).await.unwrap();
    all(first).await.unwrap();
    app.events.renew_key(&event, Input::Main, Duration::ZERO, None, None).await.unwrap();
    let cut = until("the end of the old key", async || all(&rest[..1]).await.err()).await;
    assert!(matches!(cut, LiveError::KeyReplaced), "{cut}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dvr_has_all_that_was_broadcast_and_viewers_see_it_from_the_start_on() {
    let dir = tempfile::tempdir().unwrap();
    let running = cloud(dir.path()).await;
    let app = &running.app;
    let event = event(app).await;
    let (status, _) =
        ask(&running, dir.path(), Method::PATCH, &format!("events/{event}"), json!({ "record": "dvr" }))
            .await;
    assert_eq!(status, 200);
    let packets = footage(6);
    send(app, &event, &packets).await;
    let recording =
        until("the recording", async || app.live.recordings().of_event(&event).await.unwrap().pop()).await;
    assert_eq!((recording.kind, recording.from_segment), (RecordingKind::Dvr, 0));
    let live = base(app, &format!("/live/public/{event}"));
    assert_eq!(get(&format!("{live}/index.m3u8")).await.0, 403, "nobody has started it");

    set(app, &event, EventStatus::Started).await;
    send(app, &event, &packets).await;
    let list = until("what viewers see", async || {
        let (_, list) = get(&format!("{live}/source/index.m3u8?plain=1")).await;
        list.contains("\n5.m4s").then_some(list)
    })
    .await;
    assert!(!list.contains("\n0.m4s") && !list.contains("\n1.m4s"), "{list}");
    assert_eq!(get(&format!("{live}/source/0.m4s")).await.0, 404, "it was broadcast before the start");
    set(app, &event, EventStatus::Paused).await;
    set(app, &event, EventStatus::Ended).await;
    let item = until("the item", async || app.items.of_event(&event).await.unwrap().pop()).await;
    assert!(item.duration_ms.abs_diff(12_000) < 200, "{}", item.duration_ms);
    assert_eq!(app.live.recordings().of_event(&event).await.unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spans_of_an_event_become_one_item_and_any_part_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let running = cloud(dir.path()).await;
    let app = &running.app;
    let patch = async |path: String, body| ask(&running, dir.path(), Method::PATCH, &path, body).await;
    assert_eq!(patch("account/settings".into(), json!({ "auto_convert": "some" })).await.0, 422);
    assert_eq!(patch("account/settings".into(), json!({ "auto_convert": "joined" })).await.0, 200);
    let event = event(app).await;
    let packets = footage(6);
    for status in [EventStatus::Started, EventStatus::Paused, EventStatus::Started] {
        set(app, &event, status).await;
        send(app, &event, &packets).await;
        until("the broadcast's end", async || {
            (!app.events.get(&event).await.unwrap().unwrap().is_receiving()).then_some(())
        })
        .await;
    }
    let recordings = app.live.recordings().of_event(&event).await.unwrap();
    assert_eq!(recordings.len(), 2);
    let made = format!("recordings/{}/item", recordings[0].id);
    let (status, early) = ask(&running, dir.path(), Method::POST, &made, json!({})).await;
    assert_eq!(status, 409, "{early}");
    set(app, &event, EventStatus::Ended).await;
    let item = until("the item", async || app.items.of_event(&event).await.unwrap().pop()).await;
    assert!(item.duration_ms.abs_diff(12_000) < 300, "{}", item.duration_ms);
    let event = app.events.get(&event).await.unwrap().unwrap();
    assert_eq!(event.recordings, [recordings[0].id]);
    let vod = base(app, &format!("/vod/public/{}/index.m3u8", item.id));
    let counted = {
        let vod = vod.clone();
        tokio::task::spawn_blocking(move || played_out(&vod))
    };
    let counted = counted.await.unwrap();
    assert_eq!(
        counted.0,
        2 * frames(&packets, Track::Video),
        "what was sent while it was paused is not in it"
    );
    // Its last segment only, then all but its first one, then all again.
    let path = format!("items/{}", item.id);
    let (status, wrong) = patch(path.clone(), json!({ "trim_from_ms": 20_000 })).await;
    assert!(status == 422 && wrong.to_string().contains("must be less than"), "{wrong}");
    for (trim, pictures) in [
        (json!({ "trim_from_ms": 10_500 }), 30),
        (json!({ "trim_from_ms": 2_000, "trim_to_ms": null }), counted.0 - 30),
        (json!({ "trim_from_ms": null }), counted.0),
    ] {
        let (status, trimmed) = patch(path.clone(), trim).await;
        assert_eq!(status, 200, "{trimmed}");
        let vod = vod.clone();
        let played = tokio::task::spawn_blocking(move || played_out(&vod)).await.unwrap();
        assert_eq!(played.0, pictures, "{trimmed}");
        let seconds = trimmed["duration_ms"].as_f64().unwrap() / 1_000.0;
        assert!((seconds - pictures as f64 / 15.0).abs() < 0.3, "{trimmed}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_recordings_are_not_converted_somebody_makes_the_item() {
    let dir = tempfile::tempdir().unwrap();
    let running = cloud(dir.path()).await;
    let app = &running.app;
    let api = async |method, path: &str, body| ask(&running, dir.path(), method, path, body).await;
    assert_eq!(api(Method::PATCH, "account/settings", json!({ "auto_convert": "off" })).await.0, 200);
    let event = event(app).await;
    set(app, &event, EventStatus::Started).await;
    send(app, &event, &footage(3)).await;
    set(app, &event, EventStatus::Ended).await;
    let recording = until("the recording's length", async || {
        let recording = app.live.recordings().of_event(&event).await.unwrap().pop()?;
        recording.duration_ms.map(|_| recording)
    })
    .await;
    assert_eq!(app.items.of_event(&event).await.unwrap().len(), 0);
    let path = format!("recordings/{}", recording.id);
    let (status, item) = api(Method::POST, &format!("{path}/item"), json!({ "title": "First night" })).await;
    assert_eq!((status, &item["title"]), (201, &json!("First night")), "{item}");
    let again = api(Method::POST, &format!("{path}/item"), json!({})).await;
    assert_eq!((again.0, &again.1["id"]), (200, &item["id"]));
    let (status, _) =
        get(&base(app, &format!("/vod/public/{}/index.m3u8", item["id"].as_str().unwrap()))).await;
    assert_eq!(status, 200);
    assert_eq!(api(Method::DELETE, &path, json!({})).await.0, 409, "it has an item");
    running.stop().await;
}
