//! An account in which an event and its box go live together.

use anyhow::{Result, ensure};
use serde_json::json;
use stagebox_tests::house::wait_until;

use super::{AgentOptions, CloudOptions, STEP, Stage, make_event, wait_segments};

#[tokio::test(flavor = "multi_thread")]
async fn go_live_starts_the_event_and_the_event_starts_and_stops_the_box() -> Result<()> {
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let stage = Stage::set(&options, &AgentOptions::default()).await?;
    let api = &stage.cloud.api;
    api.patch("account/settings", &json!({ "start_together": true })).await?;
    let status = |event: String, wanted: &'static str| async move {
        let path = format!("events/{event}");
        wait_until(&format!("the event is {wanted}"), STEP, || async {
            Ok((api.get(&path).await?["status"] == wanted).then_some(()))
        })
        .await
    };
    let device = format!("devices/{}", stage.agent.id);
    let live = |wanted: bool| {
        let path = device.clone();
        async move {
            wait_until(&format!("whether the box is live is {wanted}"), STEP, || async {
                let device = api.get(&path).await?;
                let state = device["telemetry"]["live"]["state"].as_str().unwrap_or("off");
                Ok(((state != "off") == wanted).then_some(()))
            })
            .await
        }
    };
    stage.command("start_stream").await?;
    status(stage.event.clone(), "started").await?;
    wait_segments(&stage.cloud, &stage.event, 0, 1).await?;
    api.set_status(&stage.event, "ended").await?;
    live(false).await?;
    api.wait_item(&stage.event, STEP).await?;

    let second = make_event(&stage.cloud, Some(&stage.agent.id)).await?;
    api.set_status(&second, "started").await?;
    live(true).await?;
    api.wait_receiving(&second, "main", STEP).await?;
    // A pause is the viewers', not the box's.
    api.set_status(&second, "paused").await?;
    let event = api.get(&format!("events/{second}")).await?;
    ensure!(event["inputs"]["main"]["receiving"] == true, "{event}");
    Ok(())
}
