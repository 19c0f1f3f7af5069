//! An entry of the journal as the log shows it.

use super::Names;
use crate::account::Login;
use crate::clock::Timestamp;
use crate::store::{Change, Entry, Store, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::net::IpAddr;
use utoipa::ToSchema;

/// Fields that change with every change.
const QUIET: [&str; 4] = ["updated_at", "version", "administration", "id"];

/// An entry of the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogEntry)]
pub(crate) struct EntryView {
    /// Goes up with each entry of the account.
    seq: u64,
    /// When it happened.
    at: Timestamp,
    /// Who did it.
    by: Actor,
    /// What happened to the thing.
    change: What,
    /// The kind of thing.
    kind: String,
    /// The thing's id.
    id: String,
    /// What the thing was called then, or is called now where that is not kept; `null` if it has no name.
    #[schema(required)]
    title: Option<String>,
    /// What differs; of what was made or deleted, all that says something.
    fields: Vec<FieldChange>,
    /// Of an entry of the kind `login`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LoginView, required = false)]
    login: Option<LoginView>,
}

/// Who did something.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = LogActor)]
pub(crate) struct Actor {
    /// What they are.
    pub(super) kind: ActorKind,
    /// The user's or box's id; `null` for the server.
    #[schema(required)]
    pub(super) id: Option<String>,
    /// What the user or box is called now; `null` if they are gone.
    #[schema(required)]
    pub(super) name: Option<String>,
}

/// What somebody is who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LogActorKind)]
pub(crate) enum ActorKind {
    User,
    DeletedUser,
    Box,
    Server,
}

/// What happened to a thing.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LogChange)]
enum What {
    Created,
    Changed,
    Deleted,
}

/// A field that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogField)]
struct FieldChange {
    /// Its name.
    field: String,
    /// What it was; `null` if the thing was made.
    #[schema(required)]
    before: Value,
    /// What it is; `null` if the thing was deleted.
    #[schema(required)]
    after: Value,
    /// What the user, box or role is called now whose id it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    before_name: Option<String>,
    /// What the user, box or role is called now whose id it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    after_name: Option<String>,
}

/// A login, or one that failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogLogin)]
struct LoginView {
    /// Whose; not of this user perhaps where it failed.
    #[schema(required)]
    user: Option<Actor>,
    /// Whether it was right.
    good: bool,
    /// `password` or `code` on the pages, `basic` over HTTP Basic, `again` for something that asks once more.
    how: String,
    /// How often it was the same, by powers of ten.
    at_least: u64,
    /// How often it was the same; for 90 days, as what follows.
    #[schema(required)]
    count: Option<u64>,
    /// From where; `null` if from many places.
    #[schema(required, value_type = Option<String>)]
    address: Option<IpAddr>,
    /// What the browser or program calls itself.
    #[schema(required)]
    browser: Option<String>,
    /// When it was the same for the last time.
    #[schema(required)]
    last_at: Option<Timestamp>,
}

/// Shows an entry, with the names of now.
pub(crate) async fn shown(
    entry: &Entry,
    names: &mut Names<'_>,
    store: &Store,
) -> Result<EntryView, StoreError> {
    let by = match (entry.actor, entry.kind.as_str()) {
        (Some(user), _) => names.user(user).await?,
        (None, "device_event" | "presence") => names.device(&entry.id).await?,
        (None, _) => Actor { kind: ActorKind::Server, id: None, name: None },
    };
    let change = match entry.change {
        Change::Created => What::Created,
        Change::Updated => What::Changed,
        Change::Deleted => What::Deleted,
    };
    let mut fields = Vec::new();
    for (field, before, after) in differences(&entry.before, &entry.after) {
        // What another thing is called says more than its id.
        let before_name = named(&before, names).await?;
        let after_name = named(&after, names).await?;
        fields.push(FieldChange { field, before, after, before_name, after_name });
    }
    Ok(EntryView {
        seq: entry.seq,
        at: entry.at,
        by,
        change,
        kind: entry.kind.clone(),
        id: entry.id.clone(),
        title: title(entry, names).await?,
        fields,
        login: match entry.kind.as_str() {
            "login" => Some(login(entry, names, store).await?),
            _ => None,
        },
    })
}

async fn named(value: &Value, names: &mut Names<'_>) -> Result<Option<String>, StoreError> {
    match value.as_str() {
        Some(id) => names.of(id).await,
        None => Ok(None),
    }
}

/// What the thing was called then, or is now where the journal does not say.
async fn title(entry: &Entry, names: &mut Names<'_>) -> Result<Option<String>, StoreError> {
    for view in [&entry.after, &entry.before] {
        for field in ["title", "name"] {
            if let Some(title) = view[field].as_str() {
                return Ok(Some(title.to_owned()));
            }
        }
    }
    names.of(&entry.id).await
}

/// Whose login it was, whether it was right, and as long as that is kept from where.
async fn login(entry: &Entry, names: &mut Names<'_>, store: &Store) -> Result<LoginView, StoreError> {
    let view = &entry.after;
    let kept = store.get::<Login>(&entry.id).await?.map(|login| login.document);
    let user = match view["user"].as_str().map(str::parse) {
        Some(Ok(user)) => Some(names.user(user).await?),
        _ => None,
    };
    Ok(LoginView {
        user,
        good: view["good"].as_bool().unwrap_or_default(),
        how: view["how"].as_str().unwrap_or_default().to_owned(),
        at_least: view["at_least"].as_u64().unwrap_or(1),
        count: kept.as_ref().map(|login| login.count),
        address: kept.as_ref().and_then(|login| login.address),
        last_at: kept.as_ref().map(|login| login.last_at),
        browser: kept.map(|login| login.browser),
    })
}

/// The fields that differ, with what they were and are; of what was made or deleted, all that say something.
fn differences(before: &Value, after: &Value) -> Vec<(String, Value, Value)> {
    let empty = Map::new();
    let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let pairs = names.filter(|name| !QUIET.contains(&name.as_str())).map(|name| {
        let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
        (name.clone(), of(before), of(after))
    });
    pairs.filter(|(_, before, after)| before != after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_told() {
        let of = |before, after| differences(&before, &after);
        let changed = of(
            json!({ "id": "a", "title": "A", "status": "waiting", "updated_at": "1" }),
            json!({ "id": "a", "title": "B", "status": "waiting", "updated_at": "2" }),
        );
        assert_eq!(changed, [("title".to_owned(), json!("A"), json!("B"))]);
        let made = of(Value::Null, json!({ "id": "a", "title": "A", "device_id": null }));
        assert_eq!(made, [("title".to_owned(), Value::Null, json!("A"))]);
        let gone = of(json!({ "title": "A" }), Value::Null);
        assert_eq!(gone, [("title".to_owned(), json!("A"), Value::Null)]);
    }
}
