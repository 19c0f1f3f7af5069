//! A real authority that gives certificates over ACME, acme2certifier, which `./run` installs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{Process, free_port, wait_until};

/// Serves acme2certifier's own application over HTTPS; where it looks at port 443 it is led to another one.
const LAUNCHER: &str = r#"
import os, socks, ssl, sys
from wsgiref.simple_server import make_server
configuration, port, certificate, key, proved_at = sys.argv[1:]
connect = socks.socksocket.connect
def led(self, to, *rest):
    return connect(self, (to[0], int(proved_at)) if to[1] == 443 else to, *rest)
socks.socksocket.connect = led
os.environ["ACME_SRV_CONFIGFILE"] = configuration
from acme2certifier.share import acme2certifier_wsgi as a2c
def application(environment, start):
    environment["wsgi.url_scheme"] = "https"
    return a2c.application(environment, start)
server = make_server("127.0.0.1", int(port), application, handler_class=a2c.get_handler_cls())
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// A running authority.
#[derive(Debug)]
pub struct Authority {
    pub process: Process,
    port: u16,
    directory: PathBuf,
}

impl Authority {
    /// Starts it with its data in `directory/acme`; what it looks at on port 443 is `proved_at`.
    ///
    /// # Errors
    /// When it is not installed, or does not listen in 30 s.
    pub async fn start(directory: &Path, proved_at: u16) -> Result<Self> {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/acme/bin/python3");
        ensure!(
            python.with_file_name("a2c-cli").is_file(),
            "acme2certifier is not installed: './run deps test' does it"
        );
        let directory = directory.join("acme");
        fs::create_dir_all(directory.join("issued"))
            .with_context(|| format!("creating {}", directory.display()))?;
        make_certificates(&directory).await?;
        let configuration = format!(
            "[DEFAULT]\ndebug: False\n\
             [Nonce]\nnonce_check_disable: False\n\
             [CAhandler]\nhandler_module: acme2certifier.cahandlers.openssl_ca_handler\n\
             issuing_ca_key: {own}/ca.key\nissuing_ca_cert: {own}/ca.pem\nissuing_ca_crl: {own}/ca.crl\ncert_save_path: {own}/issued\n\
             cert_validity_days: 90\nca_cert_chain_list: []\n\
             [DBhandler]\nhandler_module: acme2certifier.dbhandlers.wsgi_handler\ndbfile: {own}/acme.db\n\
             [Certificate]\n[Challenge]\n[Order]\n",
            own = directory.display(),
        );
        fs::write(directory.join("acme.cfg"), configuration).context("writing acme.cfg")?;
        fs::write(directory.join("launcher.py"), LAUNCHER).context("writing launcher.py")?;
        let port = free_port(0);
        let mut command = Command::new(python);
        command.args([
            "launcher.py",
            "acme.cfg",
            &port.to_string(),
            "server.pem",
            "server.key",
            &proved_at.to_string(),
        ]);
        command.current_dir(&directory);
        let mut process = Process::start("acme", &directory.join("logs"), command)?;
        wait_until("the authority listens", Duration::from_secs(30), || {
            let ended = process.ended();
            async move {
                ensure!(ended.is_none(), "the authority ended: {ended:?}");
                Ok(TcpStream::connect(("127.0.0.1", port)).await.ok())
            }
        })
        .await?;
        Ok(Self { process, port, directory })
    }

    /// What the cloud's configuration says of it.
    #[must_use]
    pub fn section(&self) -> String {
        format!(
            "[tls.acme]\ndirectory = \"https://127.0.0.1:{}/directory\"\nagree_to_terms = true\n\
             names = [\"127.0.0.1\"]\ncontact = \"admin@stagebox.test\"\nca_file = {:?}\n",
            self.port,
            self.certificate(),
        )
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// How many certificates it gave.
    #[must_use]
    pub fn issued(&self) -> usize {
        fs::read_dir(self.directory.join("issued")).map_or(0, Iterator::count)
    }
}

/// The authority's certificate, and one of it for its own server.
async fn make_certificates(directory: &Path) -> Result<()> {
    let new = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let script = format!(
        "set -e; {new} -x509 -days 365 -subj '/CN=Test authority' -keyout ca.key -out ca.pem\n\
         {new} -subj /CN=localhost -keyout server.key -out server.csr\n\
         echo subjectAltName=DNS:localhost,IP:127.0.0.1 > names\n\
         openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -extfile names -out server.pem"
    );
    let done =
        Command::new("sh").args(["-c", &script]).current_dir(directory).output().await.context("openssl")?;
    ensure!(done.status.success(), "openssl: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
