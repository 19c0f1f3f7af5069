//! Mail over a real mail server: what `mail test` says, and a new password by a link.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use stagebox_tests::house::postgres::Postgres;
use stagebox_tests::house::smtp::{self, Mode, Smtp};
use stagebox_tests::house::{Cloud, CloudOptions, Process, binary, wait_until};
use tokio::process::Command;

use super::STEP;

const ADDRESS: &str = "anna@example.org";
const NEW: &str = "a new horse battery";

/// The section of the configuration that names a server.
fn section(server: &Smtp, directory: &Path, encryption: &str, login: bool) -> Result<String> {
    let (ca, password) = (directory.join("mail-ca.pem"), directory.join("mail-password"));
    fs::write(&ca, &server.certificate).context("the mail server's certificate")?;
    fs::write(&password, format!("{}\n", smtp::PASSWORD)).context("the mail server's password")?;
    let port = server.address.port();
    let mut text = format!(
        "[mail]\nserver = \"localhost\"\nport = {port}\nencryption = \"{encryption}\"\nca_file = {ca:?}\n\
         from = \"Stagebox <stagebox@example.org>\"\n"
    );
    if login {
        text.push_str(&format!("user = \"{}\"\npassword_file = {password:?}\n", smtp::USER));
    }
    Ok(text)
}

/// Runs `mail test`; whether it went well, and what it said.
async fn test(directory: &Path, config: &str, to: &str) -> Result<(bool, String)> {
    let path = directory.join("mail.toml");
    fs::write(&path, config).context("mail.toml")?;
    let mut command = Command::new(binary("stagebox-cloud")?);
    command.args(["mail", "test", "--to", to, "--config"]).arg(&path);
    let name = format!("mail-{}", fs::read_dir(directory)?.count());
    let logs = tempfile::tempdir_in(directory)?;
    let mut process = Process::start(&name, logs.path(), command)?;
    let status = process.wait(STEP).await?;
    Ok((status.success(), process.output()))
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_test_says_in_words_what_fails() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    for (mode, encryption) in [(Mode::Tls, "tls"), (Mode::StartTls, "starttls"), (Mode::Plain, "none")] {
        let server = Smtp::start(mode, mode != Mode::Plain, None).await?;
        let good = section(&server, root, encryption, mode != Mode::Plain)?;
        let (well, said) = test(root, &good, ADDRESS).await?;
        ensure!(well && said.contains("it took a mail"), "{encryption}: {said}");
        let mails = server.mails();
        ensure!(mails.len() == 1 && mails[0].to == ADDRESS, "{mails:?}");
        let text = &mails[0].text;
        for wanted in [
            "Subject: Stagebox can send mail",
            "text/plain",
            "text/html",
            "From: Stagebox <stagebox@example.org>",
        ] {
            ensure!(text.contains(wanted), "{wanted} is not in {text}");
        }
        let (well, said) = test(root, &good, "nobody@example.org").await?;
        ensure!(
            !well && said.contains("does not take the mail") && said.contains("no such mailbox"),
            "{said}"
        );
    }
    let server = Smtp::start(Mode::Tls, true, None).await?;
    let good = section(&server, root, "tls", true)?;
    let without =
        |key: &str| good.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n");
    let wrong = root.join("wrong-password");
    fs::write(&wrong, "smtp-wrong-password-7711\n")?;
    let nobody_listens = good.replace(&server.address.port().to_string(), "1");
    let refused = format!("{}\npassword_file = {wrong:?}\n", without("password_file"));
    for (config, wanted) in [
        (nobody_listens.as_str(), "is not reached"),
        (&refused, "does not take `mail.user` and its password"),
        (&without("ca_file"), "no encrypted connection"),
        (&good.replace("\"tls\"", "\"starttls\""), "mail server localhost"),
        ("", "no mail server is configured"),
        (&good.replace("\"tls\"", "\"none\""), "mail server localhost"),
    ] {
        let (well, said) = test(root, config, ADDRESS).await?;
        ensure!(!well && said.contains(wanted), "{wanted}: {said}");
        ensure!(!said.contains("smtp-wrong-password-7711") && !said.contains(smtp::PASSWORD), "{said}");
    }
    Ok(())
}

/// A browser without any login.
struct Stranger {
    client: Client,
    base: String,
}

impl Stranger {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<(StatusCode, String)> {
        let request = self.client.request(method, format!("{}/api/v1/{path}", self.base)).json(&body);
        // The link in a mail never follows what a request says of the host.
        let answer = request.header("host", "evil.example.org").send().await?;
        Ok((answer.status(), answer.text().await?))
    }
}

/// The token in the newest mail of a server, once there are `count`.
async fn link(server: &Smtp, count: usize) -> Result<(String, String)> {
    let mails = wait_until("a mail", STEP, || async {
        let mails = server.mails();
        Ok((mails.len() >= count).then_some(mails))
    })
    .await?;
    let text = &mails[count - 1].text;
    let at = text.find("/reset#").with_context(|| format!("no link in {text}"))?;
    let url_at = text[..at].rfind("http").context("a URL")?;
    let token = text[at + 7..].chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c));
    Ok((text[url_at..at].to_owned(), token.collect()))
}

async fn a_new_password_by_mail(store: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    let server = Smtp::start(Mode::StartTls, true, None).await?;
    let extra = format!("{}{store}", section(&server, root, "starttls", true)?);
    let cloud = Cloud::start(root, &CloudOptions { extra, ..CloudOptions::default() }).await?;
    let roles = cloud.api.get("roles").await?;
    let role =
        roles["data"].as_array().and_then(|roles| roles.iter().find(|role| role["name"] == "Producer"));
    let user = json!({ "email": ADDRESS, "name": "Anna", "role": role.context("a role")?["id"], "password": "correct horse battery" });
    cloud.api.post("users", &user).await?;
    let stranger =
        Stranger { client: Client::builder().no_proxy().build()?, base: cloud.api.base().to_owned() };
    let login = |password: &str| json!({ "email": ADDRESS, "password": password });
    let ask = |body: Value| stranger.ask(Method::POST, "password-resets", body);
    let redeem = |token: &str, new: &str| {
        stranger.ask(Method::POST, "password-resets/redeem", json!({ "token": token, "new": new }))
    };

    // The same answer for whoever is known and whoever is not; only one of them gets a mail.
    let known = ask(json!({ "email": ADDRESS.to_uppercase() })).await?;
    let unknown = ask(json!({ "email": "stranger@example.org" })).await?;
    ensure!(known == unknown && known.0 == StatusCode::ACCEPTED, "{known:?} {unknown:?}");
    let (url, token) = link(&server, 1).await?;
    ensure!(url == cloud.api.base(), "{url}");
    ensure!(
        server.mails()[0].to == ADDRESS && server.mails()[0].text.contains("Hello Anna,"),
        "{:?}",
        server.mails()
    );
    let short = redeem(&token, "short").await?;
    ensure!(short.0 == StatusCode::UNPROCESSABLE_ENTITY && short.1.contains("10 to"), "{short:?}");
    let wrong = redeem("wrong", NEW).await?;
    ensure!(wrong.0 == StatusCode::UNPROCESSABLE_ENTITY && wrong.1.contains("token"), "{wrong:?}");

    // A server that says "later" is asked again.
    server.refuse_next(&format!("451 4.7.1 <{}> greylisted, come back later", ADDRESS.to_uppercase()));
    ask(json!({ "email": ADDRESS })).await?;
    let (_, second) = link(&server, 2).await?;
    ensure!(second != token, "each link has a token of its own");

    let (status, _) = stranger.ask(Method::POST, "session", login("correct horse battery")).await?;
    ensure!(status == StatusCode::OK, "{status}");
    ensure!(redeem(&second, NEW).await?.0 == StatusCode::NO_CONTENT, "the link works");
    for token in [&second, &token] {
        let over = redeem(token, "another horse battery").await?;
        ensure!(
            over.0 == StatusCode::UNPROCESSABLE_ENTITY,
            "each works once, and any change ends the others: {over:?}"
        );
    }
    let (old, _) = stranger.ask(Method::POST, "session", login("correct horse battery")).await?;
    let (new, _) = stranger.ask(Method::POST, "session", login(NEW)).await?;
    ensure!((old, new) == (StatusCode::UNAUTHORIZED, StatusCode::OK), "{old} {new}");
    wait_until("the user is told", STEP, || async {
        let told = server.mails().iter().any(|mail| mail.text.contains("Subject: Your password was changed"));
        Ok(told.then_some(()))
    })
    .await?;

    // Not more than a few an hour, and no other answer then.
    for _ in 0..3 {
        ensure!(ask(json!({ "email": ADDRESS })).await? == unknown, "the answer stays the same");
    }
    let mails = server.mails().len();
    ensure!(mails <= 4, "{mails} mails");
    // Neither the address of who asked nor a token is in what the server says.
    let log = cloud.process.output();
    for secret in [token.as_str(), &second, smtp::PASSWORD, "stranger@example.org"] {
        ensure!(!log.contains(secret), "{secret} is in the log");
    }
    // Nor whom the mail was for, which its server repeats.
    ensure!(!log.to_lowercase().contains(ADDRESS), "{ADDRESS} is in the log");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_chosen_by_a_link_in_a_mail() -> Result<()> {
    a_new_password_by_mail("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_chosen_by_a_link_in_a_mail_on_postgresql() -> Result<()> {
    let database = Postgres::start()?;
    a_new_password_by_mail(&format!("[store]\nkind = \"postgres\"\nurl = {:?}\n", database.url("postgres")))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_waits_survives_a_crash() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let server = Smtp::start(Mode::Plain, false, None).await?;
    let extra = section(&server, directory.path(), "none", false)?;
    let mut cloud =
        Cloud::start(directory.path(), &CloudOptions { extra, ..CloudOptions::default() }).await?;
    server.refuse_next("421 4.3.0 not now");
    let stranger =
        Stranger { client: Client::builder().no_proxy().build()?, base: cloud.api.base().to_owned() };
    let asked = json!({ "email": stagebox_tests::house::ADMIN });
    let (status, _) = stranger.ask(Method::POST, "password-resets", asked).await?;
    ensure!(status == StatusCode::ACCEPTED, "{status}");
    wait_until("an alarm", STEP, || async {
        let alarms = cloud.api.get("alarms").await?.to_string();
        Ok(alarms.contains("mail-not-sent").then_some(()))
    })
    .await?;
    cloud.process.kill().await?;
    let cloud = cloud.restart().await?;
    link(&server, 1).await?;
    wait_until("the alarm goes", STEP, || async {
        let alarms = cloud.api.get("alarms").await?.to_string();
        Ok((!alarms.contains("mail-not-sent")).then_some(()))
    })
    .await
}
