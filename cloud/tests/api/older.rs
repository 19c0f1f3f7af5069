//! A data directory of an earlier version, whose documents stand in fewer indexes.

use crate::process::Program;
use crate::server::{EMAIL, answer};
use reqwest::{Client, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stagebox_cloud::clock::Clock;
use stagebox_cloud::store::{Account, Document, Index, IndexKey, Owner, Scan, Store};
use std::path::Path;
use std::time::Duration;

/// Declares a document as an earlier version had it.
macro_rules! older {
    ($($name:ident of $kind:literal: $indexes:expr;)*) => {$(
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(transparent)]
        struct $name(Value);

        impl Document for $name {
            const KIND: &'static str = $kind;
            const JOURNALED: bool = false;

            fn owner(&self) -> Owner {
                // As it was before documents said whose they are.
                Owner::Server
            }

            fn id(&self) -> String {
                self.0.get("id").or(self.0.get("kind")).and_then(Value::as_str).unwrap().to_owned()
            }

            fn indexes(&self) -> Vec<Index> {
                let indexes: fn(&Value) -> Vec<Index> = $indexes;
                indexes(&self.0)
            }
        }
    )*};
}

fn own() -> IndexKey {
    IndexKey::of(Account::FIRST)
}

fn numbered(value: &Value) -> Index {
    Index::unique("number", own().number(value["number"].as_u64().unwrap()))
}

older! {
    OldEvent of "event": |value| {
        let key = |input: &str| {
            let print = value[input]["fingerprint"].as_str().unwrap();
            Index::unique("key", IndexKey::new().text(print))
        };
        vec![numbered(value), key("main"), key("backup")]
    };
    OldDevice of "device": |value| vec![numbered(value)];
    OldPresence of "presence": |_| Vec::new();
    State of "index_state": |_| Vec::new();
}

/// Writes all documents that an index finds as an earlier version did.
async fn age<D: Document + Clone>(store: &Store, index: &'static str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = store.scan::<D>(Scan::of(index).within(own()).after(after)).await.unwrap();
        for found in &page.items {
            store.commit(store.batch().update(found, &found.document)).await.unwrap();
            ids.push(found.document.id());
        }
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

async fn make_older(data: &Path) {
    let store = Store::open_home(&data.join("store"), Default::default(), Clock::system()).unwrap();
    age::<OldEvent>(&store, "number").await;
    for device in age::<OldDevice>(&store, "number").await {
        let presence = store.get::<OldPresence>(device).await.unwrap().unwrap();
        store.commit(store.batch().delete(&presence)).await.unwrap();
    }
    for kind in ["event", "device", "presence", "item", "recording", "user", "role", "token"] {
        let state = store.get::<State>(kind).await.unwrap().unwrap();
        store.commit(store.batch().delete(&state)).await.unwrap();
    }
    // That there is nothing to be found shows that the above is what it claims to be.
    assert!(store.scan::<OldEvent>(Scan::of("title")).await.unwrap().items.is_empty());
    store.close().await;
}

#[tokio::test]
async fn old_things_stand_in_new_lists() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let program = Program::start(&directory, &[]).await;
    let password = program.password();
    let client = Client::builder().no_proxy().build().unwrap();
    let ask = async |url: &str, method: Method, path: &str, body: Option<Value>| {
        let request =
            client.request(method, format!("{url}/api/v1/{path}")).basic_auth(EMAIL, Some(&password));
        let answer = answer(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.body
    };
    for number in 0..300 {
        ask(&program.url, Method::POST, "events", Some(json!({ "title": format!("t{number:03}") }))).await;
    }
    ask(&program.url, Method::POST, "devices", Some(json!({ "name": "old box" }))).await;
    stop(program).await;
    make_older(&data).await;
    // Killed while it is about it, again and again: the next start goes on.
    for round in 0..6u64 {
        let mut command = crate::process::command(&directory);
        let mut child = command.arg("serve").spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(40 + 25 * round)).await;
        child.kill().await.unwrap();
    }
    let program = Program::start(&directory, &[]).await;
    let titles = async |query: &str| -> Vec<String> {
        let (mut titles, mut next) = (Vec::new(), String::new());
        loop {
            let page = ask(&program.url, Method::GET, &format!("events?limit=200&{query}{next}"), None).await;
            let data = page["data"].as_array().unwrap();
            titles.extend(data.iter().map(|event| event["title"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(cursor) => next = format!("&after={cursor}"),
                None => return titles,
            }
        }
    };
    let by_title = titles("sort=title").await;
    assert!(by_title.len() == 300 && by_title.is_sorted(), "{}", by_title.len());
    assert_eq!(titles("status=waiting").await.len(), 300);
    assert_eq!(titles("sort=updated_at").await.len(), 300);
    let devices = ask(&program.url, Method::GET, "devices?online=false", None).await;
    assert_eq!(devices["data"][0]["name"], "old box");
    stop(program).await;
    // The second start has nothing to do: what is there stays as it is.
    let store = Store::open_home(&data.join("store"), Default::default(), Clock::system()).unwrap();
    let version = async || store.scan::<OldEvent>(Scan::of("title").limit(1)).await.unwrap().items[0].version;
    let before = version().await;
    store.close().await;
    let program = Program::start(&directory, &[]).await;
    stop(program).await;
    let store = Store::open_home(&data.join("store"), Default::default(), Clock::system()).unwrap();
    let after = store.scan::<OldEvent>(Scan::of("title").limit(1)).await.unwrap().items[0].version;
    assert_eq!(before, after);
    store.close().await;
}

async fn stop(mut program: Program) {
    program.child.kill().await.unwrap();
}
