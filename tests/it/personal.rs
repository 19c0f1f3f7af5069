//! A user's data on both engines and by the command line: given out, and erased.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method};
use serde_json::json;
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::{Cloud, CloudOptions, Process, binary, wait_until};
use tokio::process::Command;

use super::STEP;

const ADDRESS: &str = "grepme-anna@example.org";
const NAME: &str = "Grepme Anna Unlikely";
const BROWSER: &str = "GrepmeBrowser/7";
const NAMES: [&str; 3] = [ADDRESS, NAME, BROWSER];

async fn tool(root: &Path, name: &str, arguments: &[&str]) -> Result<(bool, String)> {
    let mut command = Command::new(binary("stagebox-cloud")?);
    command.args(arguments).arg("--config").arg(root.join("cloud/cloud.toml"));
    let logs = tempfile::tempdir()?;
    let mut process = Process::start(name, logs.path(), command)?;
    let status = process.wait(STEP).await?;
    Ok((status.success(), process.output()))
}

async fn make_user(cloud: &Cloud) -> Result<String> {
    let roles = cloud.api.get("roles").await?;
    let role =
        roles["data"].as_array().and_then(|roles| roles.iter().find(|role| role["name"] == "Producer"));
    let role = role.context("a role")?["id"].clone();
    let user = json!({ "email": ADDRESS, "name": NAME, "role": role, "password": "correct horse battery" });
    let id = cloud.api.post("users", &user).await?["id"].as_str().unwrap_or_default().to_owned();
    let client = Client::builder().no_proxy().user_agent(BROWSER).build()?;
    for password in ["correct horse battery", "wrong"] {
        let body = json!({ "email": ADDRESS, "password": password });
        client
            .request(Method::POST, format!("{}/api/v1/session", cloud.api.base()))
            .json(&body)
            .send()
            .await?;
    }
    wait_until("the logins are noted", STEP, || async {
        let log = cloud.api.get(&format!("log?kind=login&user={id}")).await?;
        Ok((log["data"].as_array().is_some_and(|all| all.len() == 2)).then_some(()))
    })
    .await?;
    Ok(id)
}

/// Names that stand in any file below a directory.
fn found(directory: &Path) -> Result<Vec<String>> {
    let mut places = Vec::new();
    for entry in fs::read_dir(directory)?.flatten() {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            places.extend(found(&path)?);
        } else if entry.file_type()?.is_file() {
            let bytes = fs::read(&path)?;
            let names =
                NAMES.iter().filter(|name| bytes.windows(name.len()).any(|window| window == name.as_bytes()));
            places.extend(names.map(|name| format!("{}: {name}", path.display())));
        }
    }
    Ok(places)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_exports_and_erases_while_the_server_runs_and_while_it_does_not() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    let mut cloud = Cloud::start(root, &CloudOptions::default()).await?;
    let archive = root.join("anna.zip");
    let to = archive.display().to_string();
    for running in [true, false] {
        make_user(&cloud).await?;
        ensure!(!found(&root.join("cloud/data"))?.is_empty(), "the user is on the disk before");
        if !running {
            cloud.process.stop(STEP).await?;
        }
        let (well, said) = tool(root, "export", &["user", "export", "--email", ADDRESS, "--to", &to]).await?;
        ensure!(well && said.contains("personal data"), "{said}");
        ensure!(fs::read(&archive)?.starts_with(b"PK"), "a ZIP archive");
        let (well, said) = tool(root, "erase", &["user", "erase", "--email", ADDRESS]).await?;
        ensure!(well && said.contains("nothing names the user any more"), "{said}");
        let (well, said) = tool(root, "again", &["user", "erase", "--email", ADDRESS]).await?;
        ensure!(!well && said.contains("there is no user") && said.contains("store rewrite"), "{said}");
        if running {
            let users = cloud.api.get("users").await?.to_string();
            ensure!(!users.contains(ADDRESS), "{users}");
            cloud.process.stop(STEP).await?;
            ensure!(found(&root.join("cloud/data"))?.is_empty(), "{:?}", found(&root.join("cloud/data"))?);
            cloud = cloud.restart().await?;
        }
    }
    let left = found(&root.join("cloud/data"))?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_in_no_row_of_postgresql() -> Result<()> {
    let (database, directory) = (Postgres::start()?, tempfile::tempdir()?);
    let extra = format!("[store]\nkind = \"postgres\"\nurl = {:?}\n", database.url("postgres"));
    let cloud = Cloud::start(directory.path(), &CloudOptions { extra, ..CloudOptions::default() }).await?;
    let id = make_user(&cloud).await?;
    let rows = || {
        let sql = "SELECT convert_from(body, 'UTF8') FROM stagebox.document
                   UNION ALL SELECT convert_from(entry, 'UTF8') FROM stagebox.journal";
        database.run("postgres", sql)
    };
    ensure!(rows()?.contains(ADDRESS), "the user is in the tables before");
    let job = cloud.api.post(&format!("users/{id}/export"), &json!({})).await?;
    for (what, job) in [("export", job), ("erase", json!(null))] {
        let job = if what == "erase" {
            cloud.api.post(&format!("users/{id}/erase"), &json!({})).await?
        } else {
            job
        };
        let path = format!("jobs/{}", job["id"].as_str().unwrap_or_default());
        wait_until(what, STEP, || async {
            let job = cloud.api.get(&path).await?;
            ensure!(job["state"] != "failed", "{job}");
            Ok((job["state"] == "done").then_some(()))
        })
        .await?;
    }
    let rows = rows()?;
    for name in NAMES {
        ensure!(!rows.contains(name), "{name} is in the tables");
    }
    let exports =
        database.run("postgres", "SELECT count(*) FROM stagebox.document WHERE kind = 'user_export'")?;
    ensure!(exports == "0", "{exports} exports are left");
    ensure!(rows.contains(&id), "what they did stays, by id");
    Ok(())
}
