//! What can be done to many items at once.

use super::removal::remove;
use crate::access::Thing;
use crate::batch::{Action, with_nothing};
use crate::http::ApiError;
use crate::id::ItemId;
use ::http::Method;

/// For `POST /api/v1/batches`.
pub(crate) const ACTIONS: &[Action] = &[Action {
    name: "delete",
    words: "Delete items",
    thing: Thing::Item,
    route: (Method::DELETE, "/api/v1/items/x"),
    at_broker: false,
    read: with_nothing,
    run: |app, one| {
        Box::pin(async move {
            let id = one.id::<ItemId>()?;
            let job = remove(app, &id, None, Some(one.caller.user)).await?;
            job.map(|_| ()).ok_or_else(|| ApiError::not_found(format!("there is no item {id}")))
        })
    },
}];
