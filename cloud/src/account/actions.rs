//! What can be done to many users at once.

use crate::access::Thing;
use crate::batch::{Action, with_nothing};
use ::http::Method;

/// For `POST /api/v1/batches`.
pub(crate) const ACTIONS: &[Action] = &[Action {
    name: "delete",
    words: "Delete users",
    thing: Thing::User,
    route: (Method::DELETE, "/api/v1/users/x"),
    at_broker: false,
    read: with_nothing,
    run: |app, one| {
        Box::pin(async move { Ok(app.accounts.delete_user(&one.caller, one.id()?, None).await?) })
    },
}];
