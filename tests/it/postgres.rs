//! The main job with the documents on a PostgreSQL server, which goes away and comes back.

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::playlist::source_playlist;
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Cloud, CloudOptions, wait_until};

use super::{FRAME_US, STEP, broadcast, make_event, publish_url};

const FRAMES: u32 = 90;

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_becomes_an_item_on_postgresql() -> Result<()> {
    let mut server = Postgres::start()?;
    let directory = tempfile::tempdir()?;
    let extra = format!(
        "[live]\ntranscode = false\n[store]\nkind = \"postgres\"\nurl = {:?}\nschema = \"house\"\n",
        server.url("postgres")
    );
    let cloud = Cloud::start(directory.path(), &CloudOptions { extra, ..CloudOptions::default() }).await?;
    let event = make_event(&cloud, None).await?;
    let url = publish_url(&cloud, &event, "main").await?;
    let item = broadcast(&cloud, directory.path(), &event, &url, FRAMES).await?;
    let id = item["id"].as_str().unwrap_or_default().to_owned();
    ensure!(!cloud.directory().join("cloud/data/store").exists(), "there is an embedded store as well");

    // The database crashes and comes back; so does the cloud. All is there.
    server.crash()?;
    wait_until("the cloud says that it is not ready", STEP, || async {
        Ok(cloud.api.fetch("/readyz").await.is_err().then_some(()))
    })
    .await?;
    server.start_again()?;
    wait_until("the cloud is ready again", STEP, || async { Ok(cloud.api.fetch("/readyz").await.ok()) })
        .await?;
    let cloud = cloud.restart().await?;
    cloud.api.get(&format!("items/{id}")).await.context("the item is gone")?;
    let video = source_playlist(&cloud, &format!("/vod/public/{id}/index.m3u8")).await?;
    let packets = probe::packets(&format!("{}{video}", cloud.api.base()), Stream::Video, None).await?;
    ensure!(packets.len() == FRAMES as usize, "{} of {FRAMES} frames in the item", packets.len());
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(gaps.is_empty(), "{gaps:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_says_which_database_it_cannot_use() -> Result<()> {
    let server = Postgres::start()?;
    let directory = tempfile::tempdir()?;
    let url = server.url("nowhere").replace("stagebox@", "stagebox:hunter2@");
    let extra = format!("[store]\nkind = \"postgres\"\nurl = {url:?}\n");
    let Err(error) = Cloud::start(directory.path(), &CloudOptions { extra, ..CloudOptions::default() }).await
    else {
        anyhow::bail!("the cloud started without its database");
    };
    let said = format!("{error:#}");
    for wanted in ["127.0.0.1:", "database nowhere", "store.url", "create the database"] {
        ensure!(said.contains(wanted), "{wanted} is not said: {said}");
    }
    ensure!(!said.contains("hunter2"), "the password is shown: {said}");
    Ok(())
}
