//! Alarms over the API, on the stream of pages and in the metrics.

use crate::server::Server;
use reqwest::{Method, Response};
use serde_json::Value;

/// Reads the stream until the next `alarms` event.
async fn next_alarms(stream: &mut Response, buffer: &mut String) -> Vec<String> {
    loop {
        if let Some(end) = buffer.find("\n\n") {
            let block: String = buffer.drain(..end + 2).collect();
            if block.lines().any(|line| line.trim_end() == "event:alarms") {
                let data = block.lines().find_map(|line| line.strip_prefix("data:")).unwrap();
                let data: Value = serde_json::from_str(data).unwrap();
                let alarms = data["alarms"].as_array().unwrap();
                return alarms.iter().map(|alarm| alarm["name"].as_str().unwrap().to_owned()).collect();
            }
            continue;
        }
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(5), stream.chunk()).await;
        buffer.push_str(std::str::from_utf8(&chunk.unwrap().unwrap().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn an_alarm_is_seen_wherever_one_looks_until_it_is_over() {
    let server = Server::start().await;
    let alarms = server.running.app.alarms.clone();
    assert_eq!(server.get("/api/v1/alarms").await.body["data"], serde_json::json!([]));
    let mut stream = server.request(Method::GET, "/api/v1/stream").send().await.unwrap();
    let mut buffer = String::new();
    assert_eq!(next_alarms(&mut stream, &mut buffer).await, [""; 0]);

    alarms.raise("disk-full", "The disk is full: make room.");
    assert_eq!(next_alarms(&mut stream, &mut buffer).await, ["disk-full"]);
    let listed = server.get("/api/v1/alarms").await;
    let alarm = &listed.body["data"][0];
    assert_eq!(
        (&alarm["name"], &alarm["words"]),
        (&"disk-full".into(), &"The disk is full: make room.".into())
    );
    assert!(alarm["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{listed:?}");
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("stagebox_alarm{name=\"disk-full\"} 1\n"), "{metrics}");
    assert_eq!(server.get("/readyz").await.status, 200, "it still does its work");

    alarms.clear("disk-full");
    assert_eq!(next_alarms(&mut stream, &mut buffer).await, [""; 0]);
    assert!(!server.get("/metrics").await.text.contains("disk-full"));
    let anonymous = server.anonymous(Method::GET, "/api/v1/alarms").send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    server.post("/api/v1/alarms", serde_json::json!({})).await.assert_problem(405);
}
