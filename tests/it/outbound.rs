//! Addresses that a tenant gives lead neither to this server itself nor through what its environment names.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::receiver::Receiver;
use stagebox_tests::house::{Cloud, CloudOptions, child_of, wait_until};

use super::{STEP, make_event};

/// The sockets that a process has open.
fn sockets(id: u32) -> HashSet<String> {
    let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    links
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}

/// Where a process listens on IPv4, as the kernel tells it (proc_pid_net(5)).
fn listeners(id: u32) -> Result<Vec<SocketAddr>> {
    let own = sockets(id);
    let mut found = Vec::new();
    for line in fs::read_to_string("/proc/net/tcp")?.lines().skip(1) {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (Some(local), Some(&state), Some(&inode)) = (fields.get(1), fields.get(3), fields.get(9)) else {
            continue;
        };
        if state != "0A" || !own.contains(inode) {
            continue;
        }
        let (address, port) = local.split_once(':').context("an address with a port")?;
        let address = Ipv4Addr::from(u32::from_str_radix(address, 16)?.to_le_bytes());
        found.push(SocketAddr::new(IpAddr::V4(address), u16::from_str_radix(port, 16)?));
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_listener_of_the_server_can_be_called_though_its_network_is_allowed() -> Result<()> {
    let (server, directory) = (Postgres::start()?, tempfile::tempdir()?);
    // With all that can listen: HTTP, RTMP, the broker, and what answers other processes.
    let extra = format!(
        "[live]\ntranscode = false\n[outbound]\nallow = [\"127.0.0.0/8\"]\n\
         [cluster]\nsecret = \"a secret of the whole house\"\n\
         [store]\nkind = \"postgres\"\nurl = {:?}\nschema = \"outbound\"\n[media]\ndirectory = {:?}\n",
        server.url("postgres"),
        directory.path().join("media"),
    );
    let cloud = Cloud::start(directory.path(), &CloudOptions { extra, ..CloudOptions::default() }).await?;
    let id = cloud.process.id().context("the cloud runs")?;
    let mut found = listeners(id)?;
    found.extend(listeners(child_of(Some(id), "mosquitto")?.unsigned_abs())?);
    ensure!(found.len() >= 4, "{found:?}");
    for known in [&cloud.ports.http, &cloud.ports.rtmp, &cloud.ports.mqtt] {
        ensure!(found.contains(&known.parse()?), "{known} is not among {found:?}");
    }
    for listener in &found {
        let refused = cloud.api.put("hook", &json!({ "url": format!("http://{listener}/") })).await;
        let refused = refused.err().with_context(|| format!("{listener} can be called"))?.to_string();
        ensure!(refused.contains("422") && refused.contains("this server itself"), "{listener}: {refused}");
    }
    let neighbour = Receiver::start().await?;
    cloud.api.put("hook", &json!({ "url": neighbour.url() })).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_of_the_environment_see_no_notification() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (receiver, proxy) = (Receiver::start().await?, Receiver::start().await?);
    let names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let options = CloudOptions {
        extra: "[live]\ntranscode = false\n[outbound]\nallow = [\"127.0.0.0/8\"]\n".into(),
        environment: names.map(|name| (name.to_owned(), proxy.url().into())).to_vec(),
        ..CloudOptions::default()
    };
    let cloud = Cloud::start(directory.path(), &options).await?;
    cloud.api.put("hook", &json!({ "url": receiver.url() })).await?;
    make_event(&cloud, None).await?;
    wait_until("the receiver is told", STEP, || async { Ok((!receiver.told().is_empty()).then_some(())) })
        .await?;
    ensure!(proxy.told().is_empty(), "the proxy was told {:?}", proxy.told());
    Ok(())
}
