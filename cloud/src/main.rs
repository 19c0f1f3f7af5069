//! The command line of `stagebox-cloud`.

use anyhow::Context;
use clap::{Parser, Subcommand};
use stagebox_cloud::cluster::{Role, Roles};
use stagebox_cloud::config::Config;
use stagebox_cloud::control::{self, AccountsCommand, SecretsCommand, StoreCommand, UserCommand};
use stagebox_cloud::mail::{self, command::MailCommand};
use stagebox_cloud::serve::{self, ServeOptions};
use stagebox_cloud::{logging, media};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Stagebox's cloud: events, recordings, items and who may watch them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server until it is told to stop.
    Serve {
        /// The configuration; without it the defaults and the environment's STAGEBOX_… hold.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Where data is kept, instead of the configuration's `data_dir`.
        #[arg(long)]
        data: Option<PathBuf>,
        /// What this process does, such as `api,hooks`, instead of the configuration's `roles`; everything by default.
        #[arg(long, value_delimiter = ',')]
        roles: Option<Vec<Role>>,
        /// Writes the addresses that were bound to this file, as JSON.
        #[arg(long)]
        ports_file: Option<PathBuf>,
        /// Writes the first administrator's password to this file instead of the terminal.
        #[arg(long)]
        admin_password_file: Option<PathBuf>,
    },
    /// Gives a user a new password and ends their sessions; the server must not be running.
    ResetPassword {
        /// The user's e-mail address; without it, the first account's oldest administrator.
        #[arg(long)]
        email: Option<String>,
        /// Takes their second factor off too, for whoever has lost both the app and the recovery codes.
        #[arg(long)]
        second_factor_off: bool,
        /// The configuration.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Where data is kept, instead of the configuration's `data_dir`.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Writes the password to this file instead of the terminal.
        #[arg(long)]
        admin_password_file: Option<PathBuf>,
    },
    /// Backs up, restores, moves, checks or rewrites the store, also of a running server.
    Store {
        /// The configuration.
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        /// Where data is kept, instead of the configuration's `data_dir`.
        #[arg(long, global = true)]
        data: Option<PathBuf>,
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Changes what secrets are encrypted with, also of a running server.
    Secrets {
        /// The configuration.
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        /// Where data is kept, instead of the configuration's `data_dir`.
        #[arg(long, global = true)]
        data: Option<PathBuf>,
        #[command(subcommand)]
        command: SecretsCommand,
    },
    /// Makes, lists, limits, suspends or deletes accounts, also on a running server.
    Account {
        /// The configuration.
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        /// Where data is kept, instead of the configuration's `data_dir`.
        #[arg(long, global = true)]
        data: Option<PathBuf>,
        #[command(subcommand)]
        command: AccountsCommand,
    },
    /// Gives out or erases what is kept of a user, also of a running server.
    User {
        /// The configuration.
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        /// Where data is kept, instead of the configuration's `data_dir`.
        #[arg(long, global = true)]
        data: Option<PathBuf>,
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Tries out the mail that is configured.
    Mail {
        /// The configuration.
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        #[command(subcommand)]
        command: MailCommand,
    },
    /// Looks after the media store.
    #[command(subcommand)]
    Media(MediaCommand),
    /// Prints the API's document (OpenAPI 3.1), as a server gives it at /api/v1/openapi.json.
    Openapi,
    /// Decodes and encodes for the server, which starts it: frames in on stdin, frames out on stdout.
    Worker,
    /// Becomes the broker that the server starts, and ends with it.
    #[command(hide = true)]
    BrokerExec {
        /// The server's process.
        #[arg(long)]
        parent: i32,
        /// Mosquitto.
        #[arg(long)]
        program: PathBuf,
        /// Its configuration.
        #[arg(long)]
        configuration: PathBuf,
    },
}

#[derive(Subcommand)]
enum MediaCommand {
    /// Lists objects that nobody needs, and what is needed and not there; changes nothing.
    ///
    /// Ends with 0 only if nothing is missing.
    Check {
        /// The configuration.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Where data is kept, instead of the configuration's `data_dir`.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            // What went wrong and where, in one line: whoever started it has no use for the program's stack.
            eprintln!("stagebox-cloud: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, each once: some of our errors already name theirs.
fn in_words(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.as_str() {
            "" => cause,
            told if told.contains(&cause) => text,
            _ => format!("{text}: {cause}"),
        }
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { config, data, roles, ports_file, admin_password_file } => {
            let config = load_for(config.as_deref(), data, roles)?;
            let options = ServeOptions { ports_file, admin_password_file };
            runtime()?.block_on(serve::run(config, options))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::BrokerExec { parent, program, configuration } => {
            logging::begin(&logging::LogConfig::default());
            Err(stagebox_cloud::broker::exec::exec(parent, &program, &configuration))
                .with_context(|| format!("cannot become {}", program.display()))
        }
        Command::ResetPassword { email, second_factor_off, config, data, admin_password_file } => {
            let config = load(config.as_deref(), data)?;
            runtime()?.block_on(serve::reset_password(
                config,
                email.as_deref(),
                second_factor_off,
                admin_password_file.as_deref(),
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Media(MediaCommand::Check { config, data, json }) => {
            let config = load(config.as_deref(), data)?;
            let whole = runtime()?.block_on(media::command::check_and_print(config, json))?;
            Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Openapi => {
            let text = serde_json::to_vec_pretty(stagebox_cloud::openapi::document())?;
            std::io::stdout().write_all(&text).context("cannot print the document")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Worker => {
            logging::begin(&logging::LogConfig::default());
            stagebox_cloud::transcode::worker_main().context("the worker failed")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Account { config, data, command } => {
            let config = load_for(config.as_deref(), data, None)?;
            runtime()?.block_on(control::run_account(config, command))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::User { config, data, command } => {
            let config = load(config.as_deref(), data)?;
            runtime()?.block_on(control::run_user(config, command))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Mail { config, command } => {
            let config = load(config.as_deref(), None)?;
            runtime()?.block_on(mail::command::run(config, command))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Store { config, data, command } => {
            let config = load(config.as_deref(), data)?;
            runtime()?.block_on(control::run(config, command))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Secrets { config, data, command } => {
            let config = load(config.as_deref(), data)?;
            runtime()?.block_on(control::run_secrets(config, command))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load_for(path: Option<&Path>, data: Option<PathBuf>, roles: Option<Vec<Role>>) -> anyhow::Result<Config> {
    let config = load(path, data)?;
    match roles {
        Some(roles) => Ok(config.with_roles(roles.into_iter().collect::<Roles>())?),
        None => Ok(config),
    }
}

fn load(path: Option<&Path>, data: Option<PathBuf>) -> anyhow::Result<Config> {
    let environment = std::env::vars().filter(|(name, _)| name != "STAGEBOX_LOG");
    let mut config = Config::load(path, environment)?;
    logging::begin(&config.log);
    if let Some(data) = data {
        config.data_dir = data;
    }
    Ok(config)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}
