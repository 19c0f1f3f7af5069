//! What came of each thing that a job was about: `GET /api/v1/jobs/<id>/results`.

use crate::app::App;
use crate::http::listing::{Listing, Way};
use crate::http::{ApiError, Call, Listed, Response};
use crate::id::JobId;
use crate::store::{Document, Index, IndexKey, Owner, Scan, Store, StoreError, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The index of a job's results, in the order of what it was about.
pub(super) const BY_JOB: &str = "job";
/// Results that are removed at a time.
const AT_ONCE: usize = 200;

/// `GET /api/v1/jobs/{job}/results`.
pub(crate) static LISTING: Listing =
    Listing { path: "/api/v1/jobs/{job}/results", filters: &[], ways: &[Way::rising(&[], "number", BY_JOB)] };

type JobResultList = Listed<JobResultView>;

/// What came of one thing that a job was about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobResult)]
pub(super) struct JobResultView {
    /// Its place in what was asked for, from 0 up.
    number: u32,
    /// The thing's id, as it was asked for.
    id: String,
    /// Whether it was done.
    done: bool,
    /// Why it was not: the problem that the single route answers; `null` if it was done.
    #[schema(required, value_type = Option<Object>)]
    problem: Option<Value>,
}

/// List a job's results
///
/// What came of each thing that a batch is about, in the order in which they were asked for; as far as it has come.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job}/results",
    tag = "jobs",
    operation_id = "listJobResults",
    responses((status = 200, description = "A part of the list.", body = JobResultList))
)]
pub(super) async fn list(app: App, id: JobId, call: Call) -> Result<Response, ApiError> {
    let wanted = LISTING.wanted(&call)?;
    let page = app.store.scan::<JobResult>(wanted.scan(IndexKey::new().text(id))).await?;
    wanted.reply(page.map(|result| result.document.shown()))
}

/// What came of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobResult {
    job: JobId,
    /// Its place in the job, from 0 up.
    number: u32,
    /// The thing's id.
    subject: String,
    /// Why it was not done; a problem as the single route answers it.
    pub(crate) problem: Option<Value>,
}

impl JobResult {
    pub(crate) fn new(job: JobId, number: u32, subject: &str, problem: Option<Value>) -> Self {
        Self { job, number, subject: subject.to_owned(), problem }
    }

    /// The same thing's, after all.
    pub(crate) fn with(self, problem: Option<Value>) -> Self {
        Self { problem, ..self }
    }

    /// The one at a place, if that was come to.
    pub(crate) async fn get(
        store: &Store,
        job: JobId,
        number: u32,
    ) -> Result<Option<Versioned<Self>>, StoreError> {
        store.get(place(job, number)).await
    }

    /// As the API shows it.
    fn shown(self) -> JobResultView {
        let Self { number, subject, problem, .. } = self;
        JobResultView { number, id: subject, done: problem.is_none(), problem }
    }
}

fn place(job: JobId, number: u32) -> String {
    format!("{job}/{number}")
}

impl Document for JobResult {
    const KIND: &'static str = "job_result";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(self.job)
    }

    fn id(&self) -> String {
        place(self.job, self.number)
    }

    fn indexes(&self) -> Vec<Index> {
        vec![Index::many(BY_JOB, IndexKey::new().text(self.job).number(u64::from(self.number)))]
    }
}

/// Removes a job's results; before the job itself, so that none is left behind.
pub(super) async fn forget(store: &Store, job: JobId) -> Result<(), StoreError> {
    loop {
        let within = IndexKey::new().text(job);
        let page = store.scan::<JobResult>(Scan::of(BY_JOB).within(within).limit(AT_ONCE)).await?;
        if page.items.is_empty() {
            return Ok(());
        }
        let batch = page.items.iter().fold(store.batch(), crate::store::Batch::delete);
        match store.commit(batch).await {
            // Another process sweeps as well.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}
