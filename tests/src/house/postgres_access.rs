//! Whom a PostgreSQL server lets in, and how: with which password, and over TLS.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::postgres::Postgres;

/// How long the server may take to follow its changed files.
const RELOAD: Duration = Duration::from_secs(20);

/// An authority of the tests' own, and what it signed.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
}

impl Authority {
    /// Makes an authority in a directory that is there.
    ///
    /// # Errors
    /// When `openssl` is not installed or refuses.
    pub fn make(directory: &Path) -> Result<Self> {
        let authority = Self { directory: directory.to_owned() };
        authority
            .openssl("ca", &["-addext", "keyUsage=critical,keyCertSign", "-subj", "/CN=Stagebox tests"])?;
        Ok(authority)
    }

    /// Its certificate, for `ca_file`.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Makes a key and a certificate for a host, as `<name>.key` and `<name>.pem`.
    fn sign(&self, name: &str, host: &str) -> Result<()> {
        let (ca, key) = (self.certificate(), self.directory.join("ca.key"));
        let [ca, key] = [&ca, &key].map(|path| path.display().to_string());
        let names = format!("subjectAltName=DNS:{host}");
        let more = ["-CA", &ca, "-CAkey", &key, "-subj", "/CN=database", "-addext", &names, "-addext"];
        self.openssl(name, &[&more[..], &["basicConstraints=critical,CA:FALSE"]].concat())
    }

    fn openssl(&self, name: &str, more: &[&str]) -> Result<()> {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
            .args(more)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .output()
            .context("running openssl: is it installed?")?;
        ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }
}

impl Postgres {
    /// From now on lets in those whom these lines of pg_hba.conf let in; [`Postgres::run`] is one of them, without a
    /// password and over TLS if the server has it.
    ///
    /// # Errors
    /// When the server does not take them.
    pub fn admit(&self, lines: &str) -> Result<()> {
        let path = self.run("postgres", "SHOW hba_file")?;
        fs::write(&path, format!("{lines}\n")).with_context(|| format!("writing {path}"))?;
        self.reload()
    }

    /// Speaks TLS from now on, with a certificate for `host`.
    ///
    /// # Errors
    /// When the server does not take the certificate.
    pub fn encrypt(&self, authority: &Authority, host: &str) -> Result<()> {
        authority.sign("server", host)?;
        let data = PathBuf::from(self.run("postgres", "SHOW data_directory")?);
        let owner = fs::metadata(&data).context("the server's data directory")?;
        for (name, own) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
            let path = data.join(own);
            fs::copy(authority.directory.join(name), &path).context("giving the server its certificate")?;
            fs::set_permissions(&path, Permissions::from_mode(0o600)).context("the server's certificate")?;
            chown(&path, Some(owner.uid()), Some(owner.gid())).context("the server's certificate")?;
        }
        self.run("postgres", "ALTER SYSTEM SET ssl TO on")?;
        self.reload()?;
        let own = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        ensure!(self.run("postgres", own)? == "t", "the server does not speak TLS");
        Ok(())
    }

    /// Speaks TLS no more.
    ///
    /// # Errors
    /// When the server is away.
    pub fn stop_encrypting(&self) -> Result<()> {
        self.run("postgres", "ALTER SYSTEM SET ssl TO off")?;
        self.reload()
    }

    fn reload(&self) -> Result<()> {
        let loaded = || self.run("postgres", "SELECT pg_conf_load_time()");
        let (before, until) = (loaded()?, Instant::now() + RELOAD);
        self.run("postgres", "SELECT pg_reload_conf()")?;
        while loaded().ok().is_none_or(|now| now == before) {
            ensure!(Instant::now() < until, "the server does not read its files again");
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
