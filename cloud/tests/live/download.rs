//! An item's file is laid out by what was noted of its segments when they were made, or else by the segments.

use super::*;

/// What the administrator gets of an item's file: the status, the length, and with `GET` the bytes, if all of them come.
async fn download(running: &Running, dir: &Path, method: Method, path: &str) -> (u16, u64, Option<Vec<u8>>) {
    let password = std::fs::read_to_string(dir.join("password")).unwrap();
    let request = reqwest::Client::new().request(method, base(&running.app, &format!("/api/v1/{path}")));
    let response = request.basic_auth("admin@localhost", Some(password)).send().await.unwrap();
    let length = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    (response.status().as_u16(), length, response.bytes().await.ok().map(|bytes| bytes.to_vec()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_segment_is_read_to_lay_a_file_out_unless_it_was_not_noted() {
    let dir = tempfile::tempdir().unwrap();
    let running = cloud(dir.path()).await;
    let app = &running.app;
    let event = event(app).await;
    set(app, &event, EventStatus::Started).await;
    send(app, &event, &footage(9)).await;
    set(app, &event, EventStatus::Ended).await;
    let item = until("the item", async || app.items.of_event(&event).await.unwrap().pop()).await;
    let path = format!("items/{}/download", item.id);
    let media = dir.path().join(format!("data/media/live/{event}"));

    // In a segment that cannot be read, nothing is looked for.
    let segment = media.join("source/1.m4s");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, vec![0; bytes.len()]).unwrap();
    let (status, length, _) = download(&running, dir.path(), Method::HEAD, &path).await;
    std::fs::write(&segment, &bytes).unwrap();
    assert_eq!(status, 200);
    let (_, _, noted) = download(&running, dir.path(), Method::GET, &path).await;
    let noted = noted.unwrap();
    assert_eq!(noted.len() as u64, length);
    running.stop().await;

    // A server that died before it noted anything has left the segments alone.
    let notes = ["source", "audio"].map(|rendition| media.join(rendition).join("scans-0.bin"));
    let kept = notes.clone().map(|file| std::fs::read(file).unwrap());
    notes.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let running = cloud(dir.path()).await;
    let (_, _, read) = download(&running, dir.path(), Method::GET, &path).await;
    assert!(read.unwrap() == noted, "the file is another one");
    running.stop().await;

    // A segment that was noted and has gone breaks one download off, and the next one is without it.
    notes.iter().zip(kept).for_each(|(file, bytes)| std::fs::write(file, bytes).unwrap());
    std::fs::remove_file(&segment).unwrap();
    let running = cloud(dir.path()).await;
    let (_, length, broken) = download(&running, dir.path(), Method::GET, &path).await;
    assert_eq!((length, broken), (noted.len() as u64, None));
    let (status, length, rest) = download(&running, dir.path(), Method::GET, &path).await;
    assert_eq!((status, rest.map(|rest| rest.len() as u64)), (200, Some(length)));
    assert!(length < noted.len() as u64, "{length}");
    running.stop().await;
}
