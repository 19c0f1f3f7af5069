//! What happens in the events that other processes take in, for the pages of this one.
//!
//! Each of them is asked for as long as somebody listens here: it tells what it would tell its own pages, as lines of
//! JSON without end.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks again and again whom there is to ask")]

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::task::AbortHandle;

use super::{Tellers, Told};
use crate::app::App;
use crate::cluster::{Role, others};
use crate::store::Account;

/// Between two looks for processes that take broadcasts in.
const AGAIN: Duration = Duration::from_secs(2);
/// Where they tell.
const PATH: &str = "/news";

/// A line.
#[derive(Deserialize)]
struct Line {
    account: Account,
    name: String,
    data: String,
}

impl Line {
    /// What this version knows, for this process's pages.
    fn told(self) -> Option<Told> {
        let name = ["health", "simulcasts"].into_iter().find(|known| *known == self.name)?;
        Some(Told { account: self.account, name, data: self.data.into() })
    }
}

/// Listens to the others until the server stops.
pub(crate) fn follow(app: &App) {
    if !app.cluster.owners().is_shared() {
        return;
    }
    let app = app.clone();
    app.cluster.clone().spawn(async move {
        let mut asked = HashMap::new();
        loop {
            tokio::select! {
                () = app.shutdown.cancelled() => break,
                () = tokio::time::sleep(AGAIN) => look(&app, &mut asked).await,
            }
        }
        asked.into_values().for_each(|task: AbortHandle| task.abort());
    });
}

/// Asks those that are not asked yet; nobody, where nobody listens.
async fn look(app: &App, asked: &mut HashMap<String, AbortHandle>) {
    let tellers = &app.live.0.tellers;
    if !tellers.has_pages() {
        asked.drain().for_each(|(_, task)| task.abort());
        return;
    }
    asked.retain(|_, task| !task.is_finished());
    let Some(peers) = app.cluster.peers() else { return };
    let Ok(nodes) = others(&app.store, &app.clock, app.cluster.node()).await else { return };
    let takes_in = nodes.into_iter().filter(|node| node.roles.has(Role::Ingest));
    for address in takes_in.filter_map(|node| node.cluster) {
        asked.entry(address.clone()).or_insert_with(|| {
            let (peers, tellers) = (peers.clone(), tellers.clone());
            let task = async move {
                if let Err(error) = peers.lines(&address, PATH, |line| tell(&tellers, line)).await {
                    tracing::debug!(address, %error, "what happens in another process's events is not told");
                }
            };
            tokio::spawn(task).abort_handle()
        });
    }
}

fn tell(tellers: &Tellers, line: &[u8]) {
    if let Some(told) = serde_json::from_slice::<Line>(line).ok().and_then(Line::told) {
        tellers.pass_on(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_told_is_passed_on_and_not_back() {
        let (here, there) = (Tellers::default(), Tellers::default());
        let (mut asked, mut page) = (there.others.subscribe(), here.pages.subscribe());
        assert!(there.is_heard() && !there.has_pages(), "another process is no page: it asks nobody for it");
        there.tell(Account::FIRST, &crate::id::EventId::random(), "health", "inputs", &json!({ "main": 1 }));
        let told = asked.try_recv().unwrap();
        tell(&here, &serde_json::to_vec(&told).unwrap());
        let heard = page.try_recv().unwrap();
        assert_eq!((heard.account, heard.name, &heard.data), (told.account, told.name, &told.data));
        let mut others = here.others.subscribe();
        tell(&here, &serde_json::to_vec(&told).unwrap());
        assert!(others.try_recv().is_err());
    }

    #[test]
    fn what_this_version_does_not_know_is_left_out() {
        let here = Tellers::default();
        let mut page = here.pages.subscribe();
        for line in ["", "{}", r#"{"account":1,"name":"moods","data":"{}"}"#] {
            tell(&here, line.as_bytes());
        }
        assert!(page.try_recv().is_err());
    }
}
