//! What the lists of users, roles and tokens are filtered and sorted by.

use super::email::email;
use super::{document, role, token};
use crate::http::listing::{Filter, IN_MEMORY, IN_PLACE, Listing, TRUTH, Way, id, truth};
use crate::id::RoleId;

/// `GET /api/v1/users`.
pub(crate) static USERS: Listing = Listing {
    path: "/api/v1/users",
    filters: &[
        Filter {
            name: "email",
            words: "Only the one with this address.",
            one_of: &[],
            read: |text| email(text).map(|email| document::email_print(&email)),
        },
        Filter { name: "role", words: "Only those with this role.", one_of: &[], read: id::<RoleId> },
    ],
    ways: &[
        Way::newest(&[], "created_at", document::BY_AGE),
        Way::rising(&[], "email", document::IN_ORDER),
        Way::newest(&["role"], "created_at", document::BY_ROLE_AND_AGE),
        Way::rising(&["email"], "email", document::BY_OWN_EMAIL),
    ],
};

/// `GET /api/v1/permissions`.
pub(crate) static PERMISSIONS: Listing = Listing {
    path: "/api/v1/permissions",
    filters: &[Filter {
        name: "granted",
        words: "Only those that the caller has, or has not.",
        one_of: TRUTH,
        read: truth,
    }],
    ways: &[
        Way::rising(&[], "place", IN_PLACE),
        Way::rising(&[], "name", IN_MEMORY),
        Way::rising(&["granted"], "place", IN_PLACE),
        Way::rising(&["granted"], "name", IN_MEMORY),
    ],
};

/// `GET /api/v1/roles`.
pub(crate) static ROLES: Listing = Listing {
    path: "/api/v1/roles",
    filters: &[],
    ways: &[Way::rising(&[], "name", role::IN_ORDER), Way::newest(&[], "created_at", role::BY_AGE)],
};

/// `GET /api/v1/tokens`.
pub(crate) static TOKENS: Listing = Listing {
    path: "/api/v1/tokens",
    filters: &[],
    ways: &[Way::newest(&[], "created_at", token::BY_USER), Way::rising(&[], "name", token::IN_ORDER)],
};
