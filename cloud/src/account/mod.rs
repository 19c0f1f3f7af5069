//! Who may administer: one administrator, sessions, and HTTP Basic for API clients.

use crate::app::App;
use crate::clock::Clock;
use crate::http::{ApiError, Call, Routes, answer, call};
use crate::id::UserId;
use crate::secret::Vault;
use crate::store::{Store, StoreError};
use warp::Filter;

/// An administrator who has shown who they are.
#[derive(Debug, Clone, Copy)]
pub struct Admin {
    /// The user.
    pub user: UserId,
}

/// The password that the first start made; it is shown once.
pub struct FirstPassword {
    /// Whose.
    pub email: String,
    /// The password.
    pub password: String,
}

/// The accounts' handle; cloned freely.
#[derive(Clone)]
pub struct Accounts;

impl Accounts {
    /// Makes the handle.
    pub fn new(_store: Store, _vault: Vault, _clock: Clock) -> Self {
        Self
    }

    /// Makes the administrator if there is none.
    pub async fn start(&self, _email: &str) -> Result<Option<FirstPassword>, StoreError> {
        Ok(None)
    }

    /// Demands that the administrator asks: by session (with the CSRF token where something changes) or HTTP Basic.
    pub async fn admin(&self, _call: &Call) -> Result<Admin, ApiError> {
        Err(ApiError::unauthorized("log in first"))
    }
}

/// `/api/v1/session`.
pub fn routes(_app: App) -> Routes {
    warp::any()
        .and(call())
        .then(|_call| answer(async { Err(ApiError::not_found("there is nothing at this address")) }))
        .boxed()
}

/// `/api/v1/stream`.
pub fn stream_routes(app: App) -> Routes {
    routes(app)
}
