//! One action on many things at once, as a job: what single routes do, done for each id of a list.
//!
//! A slice declares what can be done to many of its things ([`Action`]). The job does it id by id as the single route
//! would, in the name and with the permissions of whoever asked. What came of an id is kept as the job's result of it, in
//! the same batch as the change itself: done again after a crash, nothing is done twice.

mod http;
mod work;

pub(crate) use http::{Operations, routes};
pub(crate) use work::{Anywhere, AtBroker, Batches};

use crate::access::{Caller, Found, Need, Permission, Thing, find};
use crate::app::App;
use crate::http::{ApiError, Fields};
use ::http::Method;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// Something that can be done to many things of a kind.
pub(crate) struct Action {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does, in words.
    pub(crate) words: &'static str,
    /// To what: the plural is the `kind` of a request.
    pub(crate) thing: Thing,
    /// The single route, with an `x` for the id: whoever may use that may do this.
    pub(crate) route: (Method, &'static str),
    /// Whether only the process that has the broker can do it.
    pub(crate) at_broker: bool,
    /// Reads what is given `with` it, and makes of it what the job is given.
    pub(crate) read: fn(&mut Fields) -> Value,
    /// Does it to one thing, as the single route does.
    pub(crate) run: for<'a> fn(&'a App, &'a One<'a>) -> BoxFuture<'a, Result<(), ApiError>>,
}

/// What is to be done to one thing.
pub(crate) struct One<'a> {
    /// In whose name.
    pub(crate) caller: Caller,
    /// The thing's id; it is there and of the caller's account.
    pub(crate) id: &'a str,
    /// What [`Action::read`] made.
    pub(crate) with: &'a Value,
}

impl One<'_> {
    /// The id as its kind reads it.
    pub(crate) fn id<I: std::str::FromStr>(&self) -> Result<I, ApiError> {
        self.id.parse().map_err(|_| ApiError::not_found(format!("there is nothing with the id {}", self.id)))
    }

    /// A text of what was given with the action.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.with[name].as_str().unwrap_or_default()
    }
}

/// All slices' actions.
fn actions() -> impl Iterator<Item = &'static Action> {
    let slices: [&'static [Action]; 5] = [
        crate::account::ACTIONS,
        crate::device::ACTIONS,
        crate::event::ACTIONS,
        crate::item::ACTIONS,
        crate::job::ACTIONS,
    ];
    slices.into_iter().flatten()
}

impl Action {
    /// The `kind` of a request.
    pub(crate) fn kind(&self) -> String {
        format!("{}s", self.thing.name())
    }

    /// What its single route needs.
    pub(crate) fn permission(&self) -> Option<Permission> {
        match find(&self.route.0, self.route.1) {
            Found::Route(rule, _) => match rule.need {
                Need::Permission(permission) => Some(permission),
                Need::Public | Need::Login | Need::Device => None,
            },
            Found::Methods(_) | Found::Nothing => None,
        }
    }
}

/// For actions that are given nothing.
pub(crate) fn with_nothing(_: &mut Fields) -> Value {
    Value::Null
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_one_that_a_single_route_does() {
        let mut names: Vec<String> =
            actions().map(|action| format!("{}/{}", action.kind(), action.name)).collect();
        assert!(names.len() >= 5);
        for action in actions() {
            assert!(action.permission().is_some(), "{}/{} has no route", action.kind(), action.name);
        }
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
