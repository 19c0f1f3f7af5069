//! A bucket of an S3 server as the media store.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::signer::Signer as _;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::config::MediaConfig;
use super::error::MediaError;

/// The bucket, for what only S3 can do.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    s3: AmazonS3,
    prefix: Path,
}

impl Bucket {
    /// A URL by which anybody can read one object until `lifetime` is over.
    pub(super) async fn signed_url(
        &self,
        path: &Path,
        lifetime: Duration,
    ) -> Result<Url, object_store::Error> {
        let full = Path::from_iter(self.prefix.parts().chain(path.parts()));
        self.s3.signed_url(Method::GET, &full, lifetime).await
    }

    /// The bucket below the configured prefix.
    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(PrefixStore::new(self.s3.clone(), self.prefix.clone()))
    }
}

/// What the store is called in words: never with a key.
pub(super) fn place(config: &MediaConfig) -> String {
    let bucket = config.bucket.as_deref().unwrap_or_default();
    match &config.endpoint {
        Some(endpoint) => format!("bucket {bucket} at {}", endpoint.trim_end_matches('/')),
        None => format!("bucket {bucket} in {}", config.region),
    }
}

/// Makes the client; nothing is asked yet.
pub(super) fn open(config: &MediaConfig) -> Result<Bucket, MediaError> {
    let bucket = config.bucket.as_deref().unwrap_or_default();
    let secret = secret(config)?;
    let options = ClientOptions::new()
        // What is allowed was decided when the configuration was checked.
        .with_allow_http(true)
        .with_connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .with_timeout(Duration::from_millis(config.timeout_ms));
    let mut builder = AmazonS3Builder::new()
        .with_region(&config.region)
        .with_bucket_name(bucket)
        .with_access_key_id(config.access_key_id.clone().unwrap_or_default())
        .with_secret_access_key(secret)
        .with_virtual_hosted_style_request(config.virtual_hosted)
        // One object a request: not every server knows how to delete several.
        .with_disable_bulk_delete(true)
        .with_allow_http(true)
        .with_client_options(options)
        .with_retry(retry());
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint_url(endpoint, bucket, config.virtual_hosted)?);
    }
    let s3 =
        builder.build().map_err(|error| MediaError::Config { field: "media", detail: error.to_string() })?;
    Ok(Bucket { s3, prefix: Path::from(config.prefix.as_deref().unwrap_or_default()) })
}

/// A connection that the server has closed meanwhile is worth another try; longer waits are the spool's.
fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: 1,
        retry_timeout: Duration::from_secs(10),
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
    }
}

fn endpoint_url(endpoint: &str, bucket: &str, virtual_hosted: bool) -> Result<String, MediaError> {
    let wrong = |detail: &str| MediaError::Config { field: "media.endpoint", detail: detail.to_owned() };
    let mut url = Url::parse(endpoint).map_err(|error| wrong(&error.to_string()))?;
    if virtual_hosted {
        let host =
            url.domain().ok_or_else(|| wrong("needs a name, not an address, for `media.virtual_hosted`"))?;
        let host = format!("{bucket}.{host}");
        url.set_host(Some(&host)).map_err(|_| wrong("cannot have the bucket before it"))?;
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn secret(config: &MediaConfig) -> Result<String, MediaError> {
    match (&config.secret_access_key, &config.secret_access_key_file) {
        (Some(secret), _) => Ok(secret.reveal().trim().to_owned()),
        (None, Some(path)) => secret_file(path),
        (None, None) => Ok(String::new()),
    }
}

fn secret_file(path: &FilePath) -> Result<String, MediaError> {
    let wrong = |detail: String| MediaError::Config {
        field: "media.secret_access_key_file",
        detail: format!("{}: {detail}", path.display()),
    };
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mode = file.metadata().map_err(|error| wrong(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(wrong(format!("others can read it (mode {:o}): chmod 600 it", mode & 0o777)));
    }
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    match text.trim() {
        "" => Err(wrong("it is empty".to_owned())),
        secret => Ok(secret.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Hidden;
    use crate::media::config::Kind;

    fn config() -> MediaConfig {
        MediaConfig {
            kind: Kind::S3,
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            bucket: Some("media".to_owned()),
            prefix: Some("a/b".to_owned()),
            access_key_id: Some("id".to_owned()),
            secret_access_key: Some(Hidden::new("hush")),
            ..MediaConfig::default()
        }
    }

    #[tokio::test]
    async fn a_signed_address_names_the_object_and_its_end_but_not_the_key() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bucket = open(&config()).unwrap();
        let url = bucket.signed_url(&Path::from("live/x.m4s"), Duration::from_secs(90)).await.unwrap();
        assert_eq!(url.path(), "/media/a/b/live/x.m4s");
        let query = url.query().unwrap_or_default();
        assert!(query.contains("X-Amz-Expires=90") && query.contains("X-Amz-Signature="), "{query}");
        assert!(!url.as_str().contains("hush"));
        assert!(!format!("{bucket:?}").contains("hush"), "{bucket:?}");
    }

    #[test]
    fn the_bucket_goes_before_the_servers_name() {
        assert_eq!(endpoint_url("https://s3.lan/", "media", true).unwrap(), "https://media.s3.lan");
        assert_eq!(endpoint_url("https://s3.lan:90/", "media", false).unwrap(), "https://s3.lan:90");
        assert!(endpoint_url("https://127.0.0.1", "media", true).is_err());
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "hush\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secret_file(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secret_file(&path).unwrap(), "hush");
        std::fs::write(&path, "\n").unwrap();
        assert!(secret_file(&path).unwrap_err().to_string().contains("secret_access_key_file"));
    }
}
