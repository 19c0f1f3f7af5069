//! Broadcasts that arrive and are poor: too few key frames, nothing to see, nothing to hear.

use anyhow::{Result, ensure};
use serde_json::json;
use stagebox_tests::house::peer::{MadeUp, publish_made_up};
use stagebox_tests::house::probe;
use stagebox_tests::house::{Cloud, CloudOptions, wait_until};

use super::switching::{ended, wait_on_air};
use super::{FRAME_US, STEP, make_event, publish_url, wait_segments};

async fn wait_warning(cloud: &Cloud, event: &str, words: Option<&str>) -> Result<()> {
    let path = format!("events/{event}");
    wait_until(&format!("the event's warning: {words:?}"), STEP, || async {
        let event = cloud.api.get(&path).await?;
        let warning = event["warning"].as_str();
        let is_there = match words {
            Some(words) => warning.is_some_and(|warning| warning.contains(words)),
            None => warning.is_none(),
        };
        Ok(is_there.then_some(()))
    })
    .await
}

/// Its source rendition is made anew with a key frame every 2 s, and is its own again once the encoder is set right.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_key_frames_are_far_apart_is_encoded_anew() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\nladder = [240]\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let event = make_event(&cloud, None).await?;
    let url = publish_url(&cloud, &event, "main").await?;
    cloud.api.set_status(&event, "started").await?;
    wait_on_air(&cloud, &event, "slate").await?;
    let end = wait_segments(&cloud, &event, 0, 1).await?;
    let far = MadeUp { key_every: 60, ..MadeUp::default() };
    let publisher = publish_made_up(&directory.path().join("far"), &url, 3_000, &far)?;
    wait_warning(&cloud, &event, Some("encoded anew")).await?;
    let end = wait_segments(&cloud, &event, end + 2, 3).await?;
    drop(publisher);
    wait_on_air(&cloud, &event, "slate").await?;
    let mended = MadeUp { key_every: 15, ..MadeUp::default() };
    let _publisher = publish_made_up(&directory.path().join("near"), &url, 3_000, &mended)?;
    wait_on_air(&cloud, &event, "main").await?;
    wait_warning(&cloud, &event, Some("encoded anew")).await?;
    wait_warning(&cloud, &event, None).await?;
    wait_segments(&cloud, &event, end + 2, 2).await?;
    let packets = ended(&cloud, &event).await?;
    let falls = packets.windows(2).filter(|pair| pair[1].dts_us <= pair[0].dts_us).count();
    ensure!(falls == 0, "decoding times fall {falls} times");
    let gaps = probe::gaps(&packets, FRAME_US * 2);
    let holes: Vec<&String> = gaps.iter().filter(|gap| !gap.contains(" 0 us")).collect();
    ensure!(holes.is_empty(), "{holes:?}");
    let keys: Vec<i64> = packets.iter().filter(|packet| packet.key).map(|packet| packet.dts_us).collect();
    let far: Vec<i64> =
        keys.windows(2).map(|pair| pair[1] - pair[0]).filter(|far| *far > 2_100_000).collect();
    // Only what came before it was known.
    ensure!(far.len() == 1, "key frames are apart by {far:?} us, of {} in all", keys.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backup_is_shown_while_main_is_black_frozen_or_silent() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let settings = json!({
        "main_back_s": 1, "switch_on_black_s": 1, "switch_on_frozen_s": 2, "switch_on_silent_s": 2,
    });
    cloud.api.patch("account/settings", &settings).await?;
    let event = make_event(&cloud, None).await?;
    let good = MadeUp { picture: "testsrc2=size=320x180:rate=15", key_every: 15, ..MadeUp::default() };
    let url = publish_url(&cloud, &event, "backup").await?;
    let _backup = publish_made_up(&directory.path().join("backup"), &url, 3_000, &good)?;
    cloud.api.wait_receiving(&event, "backup", STEP).await?;
    let picture = "testsrc2=size=320x180:rate=15,drawbox=c=black:t=fill:enable='between(t,5,8)',\
                   drawbox=c=gray:t=fill:enable='between(t,12,16)'";
    let poor = MadeUp { picture, sound: "sine=frequency=440,volume=0:enable='gte(t,20)'", ..good };
    let url = publish_url(&cloud, &event, "main").await?;
    let _main = publish_made_up(&directory.path().join("main"), &url, 3_000, &poor)?;
    cloud.api.wait_receiving(&event, "main", STEP).await?;
    cloud.api.set_status(&event, "started").await?;
    for fault in ["black", "frozen", "silent"] {
        wait_on_air(&cloud, &event, "main").await?;
        wait_on_air(&cloud, &event, "backup").await?;
        wait_warning(&cloud, &event, Some(&format!("main broadcast has been {fault}"))).await?;
    }
    let packets = ended(&cloud, &event).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(gaps.is_empty(), "{gaps:?}");
    Ok(())
}
