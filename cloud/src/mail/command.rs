//! `stagebox-cloud mail …`: tries out what the configuration says.

use super::send::Sender;
use super::{Mail, Part};
use crate::config::Config;
use anyhow::Context as _;

/// What can be done with mail.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum MailCommand {
    /// Sends a mail to an address, and says in words what failed.
    Test {
        /// The address.
        #[arg(long)]
        to: String,
    },
}

/// Carries out a command and says how far it came.
pub async fn run(config: Config, command: MailCommand) -> anyhow::Result<()> {
    let MailCommand::Test { to } = command;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sender = Sender::new(&config.mail);
    sender.try_out().await?;
    let server = config.mail.server.as_deref().unwrap_or_default();
    println!("the mail server {server}:{} can be used", config.mail.port());
    let mail = Mail {
        to: to.clone(),
        name: String::new(),
        subject: "Stagebox can send mail".to_owned(),
        parts: vec![Part::Text(
            "This mail was sent by `stagebox-cloud mail test`: the server's mail is set up.".to_owned(),
        )],
    };
    sender.send(&mail).await.with_context(|| format!("the mail to {to} was not sent"))?;
    println!("it took a mail to {to}: look whether it arrives, also among unwanted mail");
    Ok(())
}
