//! What can be done to many jobs at once.

use crate::access::Thing;
use crate::batch::{Action, with_nothing};
use ::http::Method;

/// For `POST /api/v1/batches`.
pub(crate) const ACTIONS: &[Action] = &[
    Action {
        name: "cancel",
        words: "Cancel jobs",
        thing: Thing::Job,
        route: (Method::DELETE, "/api/v1/jobs/x"),
        at_broker: false,
        read: with_nothing,
        run: |app, one| {
            Box::pin(async move { Ok(app.jobs.cancel(&one.id()?, Some(one.caller.user)).await.map(|_| ())?) })
        },
    },
    Action {
        name: "retry",
        words: "Retry failed jobs",
        thing: Thing::Job,
        route: (Method::POST, "/api/v1/jobs/x/retry"),
        at_broker: false,
        read: with_nothing,
        run: |app, one| {
            Box::pin(async move { Ok(app.jobs.retry(&one.id()?, Some(one.caller.user)).await.map(|_| ())?) })
        },
    },
];
