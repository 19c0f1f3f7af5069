//! Who asks, and what they may do.

use super::permission::{Permission, Permissions};
use crate::http::ApiError;
use crate::id::UserId;
use crate::store::Account;

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A session of the pages.
    Session,
    /// HTTP Basic.
    Basic,
    /// A personal token.
    Token,
}

/// Somebody who has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// Whose things they see.
    pub account: Account,
    /// What they may do, by their role and their token.
    pub permissions: Permissions,
    /// How they showed it.
    pub via: Via,
}

impl Caller {
    /// Demands a permission; the error names it.
    pub fn demand(&self, permission: Permission) -> Result<(), ApiError> {
        if self.permissions.has(permission) {
            return Ok(());
        }
        let what = match self.via {
            Via::Token => "this token, or its user's role,",
            Via::Session | Via::Basic => "your role",
        };
        Err(ApiError::forbidden(format!("{what} does not allow `{permission}`")))
    }
}
