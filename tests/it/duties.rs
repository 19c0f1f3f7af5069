//! What only one process may do at a time: notifying receivers, and running the boxes' broker.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::receiver::Receiver;
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, free_port, wait_until};

use super::{STEP, make_event};

const LEASE_MS: u64 = 2_000;

/// Processes on one PostgreSQL, their media in one directory.
struct House {
    server: Postgres,
    broker_port: u16,
    directory: tempfile::TempDir,
}

impl House {
    fn set() -> Result<Self> {
        Ok(Self { server: Postgres::start()?, broker_port: free_port(0), directory: tempfile::tempdir()? })
    }

    fn options(&self, roles: &str) -> CloudOptions {
        let extra = format!(
            "[live]\ntranscode = false\n[outbound]\nallow = [\"127.0.0.0/8\"]\n\
             [cluster]\nsecret = \"a secret of the whole house\"\nlease_ms = {LEASE_MS}\n\
             [store]\nkind = \"postgres\"\nurl = {:?}\nschema = \"house\"\n[media]\ndirectory = {:?}\n",
            self.server.url("postgres"),
            self.directory.path().join("media"),
        );
        let ports = [0, 0, self.broker_port];
        CloudOptions { top: format!("roles = [{roles}]"), extra, ports, ..CloudOptions::default() }
    }

    async fn first(&self, roles: &str) -> Result<Cloud> {
        Cloud::start(&self.directory.path().join("first"), &self.options(roles)).await
    }

    async fn beside(&self, first: &Cloud, name: &str, role: &str) -> Result<Cloud> {
        let options = self.options(&format!("{role:?}"));
        Cloud::start_beside(first, &self.directory.path().join(name), &options).await
    }
}

/// Waits until a duty is with a process, and returns the process's name.
async fn wait_duty(api: &Cloud, duty: &str, not: &str) -> Result<String> {
    wait_until(&format!("a process has the duty {duty}"), STEP, || async {
        let nodes = api.api.get("nodes").await?;
        let nodes = nodes["data"].as_array().cloned().unwrap_or_default();
        let has =
            |node: &&Value| node["duties"].as_array().is_some_and(|duties| duties.contains(&json!(duty)));
        let name = nodes.iter().find(has).and_then(|node| node["id"].as_str()).unwrap_or_default();
        Ok((!name.is_empty() && name != not).then(|| name.to_owned()))
    })
    .await
}

/// The numbers of the events that the receiver was told of as new.
fn pending(receiver: &Receiver) -> Vec<u64> {
    let told = receiver.told();
    let new = told.iter().filter(|told| told["message"]["broadcast"]["status"] == "pending");
    new.filter_map(|told| told["message"]["broadcast"]["id"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_processes_notifies_and_another_goes_on_when_it_is_gone() -> Result<()> {
    let house = House::set()?;
    let api = house.first("\"api\"").await?;
    let receiver = Receiver::start().await?;
    api.api.put("hook", &json!({ "url": receiver.url() })).await?;
    let mut first = house.beside(&api, "one", "hooks").await?;
    let owner = wait_duty(&api, "hooks", "").await?;
    let second = house.beside(&api, "two", "hooks").await?;
    let mut made = Vec::new();
    let mut tell = async |count: usize| {
        for _ in 0..count {
            let event = make_event(&api, None).await?;
            let number = api.api.get(&format!("events/{event}")).await?["number"].as_u64();
            made.push(number.unwrap_or_default());
        }
        let wanted = made.clone();
        wait_until("all are told", STEP, || async {
            Ok((pending(&receiver).len() >= wanted.len()).then_some(()))
        })
        .await?;
        ensure!(pending(&receiver) == wanted, "{:?} instead of {wanted:?}", pending(&receiver));
        // A process that is killed before it has written down what was taken does not count it.
        wait_until("all are counted", STEP, || async {
            let delivered = api.api.get("hook").await?["delivered"].as_u64();
            Ok((delivered == Some(wanted.len() as u64)).then_some(()))
        })
        .await?;
        Ok::<_, anyhow::Error>(())
    };
    tell(10).await?;

    // Asleep past its lease: the other one notifies, and the first one finds out when it wakes.
    first.process.signal(Signal::SIGSTOP)?;
    let next = wait_duty(&api, "hooks", &owner).await?;
    tell(10).await?;
    first.process.signal(Signal::SIGCONT)?;
    wait_until("it notices", STEP, || async {
        Ok(first.process.output().contains("another process has taken this over").then_some(()))
    })
    .await?;
    tell(10).await?;

    // Killed: the first one, standing by, takes it back.
    drop(second);
    wait_duty(&api, "hooks", &next).await?;
    tell(10).await?;
    let hook = api.api.get("hook").await?;
    ensure!(hook["delivered"] == 40 && hook["failed"] == 0, "{hook}");
    first.process.stop(STEP).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_are_managed_through_a_process_without_their_broker() -> Result<()> {
    let house = House::set()?;
    let api = house.first("\"api\"").await?;
    let refused = api.api.post("devices", &json!({ "name": "Hall" })).await.unwrap_err().to_string();
    ensure!(refused.contains("503") && refused.contains("role `broker`"), "{refused}");
    ensure!(api.api.get("devices").await?["data"] == json!([]), "a box was made without a broker");

    let mut broker = house.beside(&api, "one", "broker").await?;
    let owner = wait_duty(&api, "broker", "").await?;
    let options = AgentOptions { source: Source::Pattern, ..AgentOptions::default() };
    let agent = Agent::start(house.directory.path(), &api, &options).await?;
    let path = format!("devices/{}", agent.id);
    let seen = async |what: &str, is: &dyn Fn(&Value) -> bool| {
        wait_until(what, STEP, || async {
            let device = api.api.get(&path).await?;
            Ok(is(&device).then_some(device))
        })
        .await
    };
    seen("the box is online, with its telemetry", &|device| {
        device["online"] == true && device["telemetry"].is_object()
    })
    .await?;
    let answer = agent.command(&api, "start_recording").await?;
    ensure!(matches!(answer["status"].as_str(), Some("accepted" | "done")), "{answer}");
    // Pages that this process serves are told what boxes measure.
    let told = api.api.next_event("stream", "telemetry", STEP).await?;
    ensure!(told["device_id"] == agent.id.as_str(), "{told}");
    let renamed = api.api.patch(&path, &json!({ "name": "Stage right" })).await?;
    ensure!(renamed["name"] == "Stage right" && renamed["online"] == true, "{renamed}");

    // Another broker takes over on the same address, and the box follows.
    let second = house.beside(&api, "two", "broker").await?;
    broker.process.kill().await?;
    wait_duty(&api, "broker", &owner).await?;
    seen("the box is back", &|device| device["online"] == true && device["telemetry"].is_object()).await?;
    let answer = agent.command(&api, "stop_recording").await?;
    ensure!(matches!(answer["status"].as_str(), Some("accepted" | "done")), "{answer}");
    let off = api.api.patch(&path, &json!({ "enabled": false })).await?;
    let away = seen("a box that is switched off is sent away", &|device| device["online"] == false).await;
    ensure!(away.is_ok(), "{off}: {}", second.process.output());
    drop(second);
    Ok(())
}
