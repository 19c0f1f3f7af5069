//! Brings the database's tables up to what this server knows.

use super::database::Database;
use super::link::Link;
use super::trouble::Trouble;
use crate::store::StoreError;

/// The steps, each taken once and in order; a step that has shipped never changes.
const STEPS: &[(&str, &str)] = &[("documents", include_str!("migrations/0001_documents.sql"))];

/// Takes the steps that are missing; processes that start at the same time take turns.
pub(super) async fn run(link: &Link, target: &Database) -> Result<(), StoreError> {
    let done = steps(link, target).await;
    if done.is_err() {
        // Ends the transaction, and with it the turn.
        let _ = link.client.batch_execute("ROLLBACK").await;
    }
    done
}

async fn steps(link: &Link, target: &Database) -> Result<(), StoreError> {
    let failed = |doing: &str, error: tokio_postgres::Error| match Trouble::from(error) {
        Trouble::Lost(reason) | Trouble::Short(reason) => target.away(&reason),
        trouble => target.wrong(format!("{doing}: {}", trouble.reason())),
    };
    let client = &link.client;
    let turn = "BEGIN; SET LOCAL lock_timeout TO '30s'";
    client.batch_execute(turn).await.map_err(|error| failed("beginning", error))?;
    let key = format!("stagebox schema {}", target.schema);
    client
        .execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[&key])
        .await
        .map_err(|error| failed("another process is bringing the tables up to date", error))?;
    let known = STEPS.len() as i32;
    let taken = taken(link, target).await.map_err(|error| failed("reading how far the tables are", error))?;
    if taken > known {
        return Err(target.wrong(format!(
            "the tables in its schema {} are those of a newer server (step {taken}, this one knows {known}): \
             update this server",
            target.schema
        )));
    }
    for (number, (name, sql)) in (1i32..).zip(STEPS).filter(|(number, _)| *number > taken) {
        let doing = format!("step {number} ({name}) of bringing the tables up to date");
        client.batch_execute(sql).await.map_err(|error| failed(&doing, error))?;
        client
            .execute("INSERT INTO migration (number, name) VALUES ($1, $2)", &[&number, name])
            .await
            .map_err(|error| failed(&doing, error))?;
        tracing::info!(number, name, database = target.name(), "the tables are brought up to date");
    }
    client.batch_execute("COMMIT").await.map_err(|error| failed("ending", error))
}

/// The last step that was taken; makes the place for the tables where there is none.
async fn taken(link: &Link, target: &Database) -> Result<i32, tokio_postgres::Error> {
    let client = &link.client;
    // Looked for first: making what is there already takes rights that are not needed otherwise.
    let schema = &target.schema;
    if client.query_one("SELECT to_regnamespace($1) IS NULL", &[schema]).await?.try_get(0)? {
        client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await?;
    }
    if client.query_one("SELECT to_regclass('migration') IS NULL", &[]).await?.try_get(0)? {
        let table = "CREATE TABLE migration (
            number integer PRIMARY KEY,
            name text NOT NULL,
            taken_at timestamptz NOT NULL DEFAULT now()
        )";
        client.batch_execute(table).await?;
    }
    client.query_one("SELECT coalesce(max(number), 0) FROM migration", &[]).await?.try_get(0)
}
