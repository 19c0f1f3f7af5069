//! Real S3 servers on loopback, which `./run` installs: s3rver, which knows ranges, and rclone, which looks at signatures.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{Process, free_port, wait_until};

/// The bucket that is there from the start.
pub const BUCKET: &str = "media";
/// The one key; s3rver knows no other, and its secret is its own name.
pub const KEY: &str = "S3RVER";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// A Node program; it takes any signature.
    S3rver,
    /// A Go program; it knows no ranges.
    Rclone,
}

/// A running S3 server.
#[derive(Debug)]
pub struct S3 {
    pub process: Process,
    program: Program,
    port: u16,
    directory: PathBuf,
}

impl S3 {
    /// Starts s3rver with its data in `directory/s3`, and waits until it listens.
    ///
    /// # Errors
    /// When it is not installed, or does not listen in 20 s.
    pub async fn start(directory: &Path) -> Result<Self> {
        Self::launch(Program::S3rver, directory, free_port(0)).await
    }

    /// The same with rclone.
    ///
    /// # Errors
    /// As [`S3::start`].
    pub async fn start_rclone(directory: &Path) -> Result<Self> {
        Self::launch(Program::Rclone, directory, free_port(0)).await
    }

    /// Starts the server again with the data and the port that it had.
    ///
    /// # Errors
    /// As [`S3::start`].
    pub async fn restart(self) -> Result<Self> {
        let Self { process, program, port, directory } = self;
        drop(process);
        Self::launch(program, &directory, port).await
    }

    async fn launch(program: Program, directory: &Path, port: u16) -> Result<Self> {
        let data = directory.join("s3");
        fs::create_dir_all(data.join(BUCKET)).with_context(|| format!("creating {}", data.display()))?;
        let mut process = Process::start("s3", &directory.join("logs"), program.command(&data, port)?)?;
        wait_until("the S3 server listens", Duration::from_secs(20), || {
            let ended = process.ended();
            async move {
                ensure!(ended.is_none(), "the S3 server ended: {ended:?}");
                Ok(TcpStream::connect(("127.0.0.1", port)).await.ok())
            }
        })
        .await?;
        Ok(Self { process, program, port, directory: directory.to_owned() })
    }

    /// What the cloud's configuration says of this server; `secret` is the key, right or wrong.
    #[must_use]
    pub fn section(&self, secret: &str) -> String {
        format!(
            "[media]\nkind = \"s3\"\nendpoint = \"http://127.0.0.1:{}\"\nbucket = \"{BUCKET}\"\nprefix = \"house\"\n\
             access_key_id = \"{KEY}\"\nsecret_access_key = \"{secret}\"\ntimeout_ms = 1500\nconnect_timeout_ms = 1000\n",
            self.port
        )
    }

    fn client(&self) -> Result<AmazonS3> {
        // The first provider that is installed stays; a second try changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = AmazonS3Builder::new()
            .with_endpoint(format!("http://127.0.0.1:{}", self.port))
            .with_bucket_name(BUCKET)
            .with_access_key_id(KEY)
            .with_secret_access_key(KEY)
            .with_disable_bulk_delete(true)
            .with_allow_http(true);
        builder.build().context("making an S3 client")
    }

    /// All objects by name, with their lengths.
    ///
    /// # Errors
    /// When the server does not list them.
    pub async fn objects(&self) -> Result<Vec<(String, u64)>> {
        let listed: Vec<_> = self.client()?.list(None).try_collect().await.context("listing the bucket")?;
        Ok(listed.into_iter().map(|object| (object.location.to_string(), object.size)).collect())
    }

    /// Puts an object.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn put(&self, name: &str, data: Vec<u8>) -> Result<()> {
        self.client()?.put(&name.into(), data.into()).await.context("putting an object")?;
        Ok(())
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the server does not do it.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.client()?.delete(&name.into()).await.context("deleting an object")
    }
}

impl Program {
    fn command(self, data: &Path, port: u16) -> Result<Command> {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools");
        let program = tools.join(match self {
            Self::S3rver => "s3rver/node_modules/s3rver/bin/s3rver.js",
            Self::Rclone => "py/bin/rclone",
        });
        ensure!(program.is_file(), "{} is not installed: './run deps test' does it", program.display());
        let address = format!("127.0.0.1:{port}");
        Ok(match self {
            Self::S3rver => {
                let mut command = Command::new("node");
                command.arg(program).arg("--directory").arg(data);
                command.args(["--address", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--configure-bucket", BUCKET]);
                command
            }
            Self::Rclone => {
                let mut command = Command::new(program);
                command.args(["serve", "s3", "--config", "/dev/null", "--addr", &address]);
                command.arg(format!("--auth-key={KEY},{KEY}")).arg(data);
                command
            }
        })
    }
}
