//! Lists: what they can be filtered and sorted by, declared once for each list.
//!
//! A list is read from an index. What may stand together in a request is what an index serves ([`Way`]); anything else is
//! refused with what could be. A cursor belongs to the list, filters and order that it was given for.

use super::Response;
use super::call::Call;
use super::problem::{ApiError, FieldError};
use super::reply::{self, Listed};
use crate::store::{Cursor, IndexKey, Page, Scan};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Things in a list if the request does not say.
pub(crate) const LIMIT: usize = 50;
/// Most things in a list.
pub(crate) const MAX_LIMIT: usize = 200;
/// The index of a list that lies in memory as a whole.
pub(crate) const IN_MEMORY: &str = "";
/// As [`IN_MEMORY`]; sorted by the place that each thing has.
pub(crate) const IN_PLACE: &str = "place";
/// The index of a list that is read from the account's journal.
pub(crate) const IN_JOURNAL: &str = "journal";
/// Bytes by which a cursor knows its list.
const TAG: usize = 6;

/// A list of the API.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Its path.
    pub(crate) path: &'static str,
    /// What it can be filtered by.
    pub(crate) filters: &'static [Filter],
    /// Which filters and orders go together; the first that fits holds where a request names no order.
    pub(crate) ways: &'static [Way],
}

/// Something that a list is filtered by.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Its name in the query, which is that of the field.
    pub(crate) name: &'static str,
    /// What it is, in words.
    pub(crate) words: &'static str,
    /// What it can be; empty where that is not a matter of a few words.
    pub(crate) one_of: &'static [&'static str],
    /// Checks a value and makes of it what stands in the index; the error says what would be right.
    pub(crate) read: fn(&str) -> Result<String, String>,
}

/// Filters and an order that go together.
#[derive(Debug)]
pub(crate) struct Way {
    /// The filters, in the order in which their values stand in the index's keys.
    pub(crate) filters: &'static [&'static str],
    /// The field that it is sorted by.
    pub(crate) sort: &'static str,
    /// The index that serves it.
    pub(crate) index: &'static str,
    /// Where a request does not say: the highest first, such as the newest.
    pub(crate) falling: bool,
    /// Whether any of the filters may be left out, since each thing is looked at.
    pub(crate) loose: bool,
}

impl Way {
    /// By time, the newest first.
    pub(crate) const fn newest(
        filters: &'static [&'static str],
        sort: &'static str,
        index: &'static str,
    ) -> Self {
        Self { filters, sort, index, falling: true, loose: false }
    }

    /// In the order of the alphabet.
    pub(crate) const fn rising(
        filters: &'static [&'static str],
        sort: &'static str,
        index: &'static str,
    ) -> Self {
        Self { filters, sort, index, falling: false, loose: false }
    }

    /// By time, the newest first, with any of the filters.
    pub(crate) const fn looked_through(
        filters: &'static [&'static str],
        sort: &'static str,
        index: &'static str,
    ) -> Self {
        Self { filters, sort, index, falling: true, loose: true }
    }
}

/// Which part of a list a request wants.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// What serves it.
    pub(crate) way: &'static Way,
    /// The filters and their values, in the way's order, as they stand in the index.
    given: Vec<(&'static str, String)>,
    /// Whether the highest come first.
    pub(crate) falling: bool,
    /// Goes on after this.
    pub(crate) after: Option<Cursor>,
    /// At most this many.
    pub(crate) limit: usize,
    tag: [u8; TAG],
}

impl Listing {
    /// Reads a request's query; every mistake is named.
    pub(crate) fn wanted(&'static self, call: &Call) -> Result<Wanted, ApiError> {
        self.read(call.query())
    }

    fn read(&'static self, query: Vec<(String, String)>) -> Result<Wanted, ApiError> {
        let (mut limit, mut after, mut sort, mut errors) = (LIMIT, None, None, Vec::new());
        let mut given: Vec<(&'static str, String)> = Vec::new();
        let mut wrong = |field: &str, detail: String| {
            errors.push(FieldError { field: field.chars().take(64).collect(), detail });
        };
        for (key, value) in query {
            match key.as_str() {
                "limit" => match value.parse::<usize>() {
                    Ok(count) if (1..=MAX_LIMIT).contains(&count) => limit = count,
                    _ => wrong("limit", format!("must be a number from 1 to {MAX_LIMIT}")),
                },
                "after" => match value.parse::<Cursor>() {
                    Ok(_) => after = Some(value),
                    Err(detail) => wrong("after", detail.to_owned()),
                },
                "sort" => sort = Some(value),
                // Which fields are shown is looked at by whoever shows them.
                "fields" => {}
                name => match self.filters.iter().find(|filter| filter.name == name) {
                    Some(filter) if given.iter().any(|(known, _)| *known == filter.name) => {
                        wrong(name, "is there twice".to_owned());
                    }
                    Some(filter) => match (filter.read)(&value) {
                        Ok(value) => given.push((filter.name, value)),
                        Err(detail) => wrong(name, detail),
                    },
                    None => wrong(name, format!("is not known here: {}", self.words())),
                },
            }
        }
        if !errors.is_empty() {
            return Err(ApiError::invalid(errors));
        }
        let (falling, sort) = match sort.as_deref() {
            None => (None, None),
            Some(text) => match text.strip_prefix('-') {
                Some(field) => (Some(true), Some(field)),
                None => (Some(false), Some(text)),
            },
        };
        let fits = |way: &&Way| {
            (way.loose || way.filters.len() == given.len())
                && given.iter().all(|(name, _)| way.filters.contains(name))
                && sort.is_none_or(|sort| sort == way.sort)
        };
        let Some(way) = self.ways.iter().find(fits) else {
            let mut fields: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
            if sort.is_some() {
                fields.push("sort");
            }
            let detail = format!("no index serves this: {}", self.words());
            let error = |field: &str| FieldError { field: field.to_owned(), detail: detail.clone() };
            return Err(ApiError::invalid(fields.into_iter().map(error).collect()));
        };
        given.sort_by_key(|(name, _)| way.filters.iter().position(|known| known == name));
        let falling = falling.unwrap_or(way.falling);
        let tag = tag(self.path, way, &given, falling);
        let after = after.map(|text| untag(&text, tag)).transpose()?;
        Ok(Wanted { way, given, falling, after, limit, tag })
    }

    /// What may stand together, in words.
    pub(crate) fn words(&self) -> String {
        let way = |way: &Way| {
            let filters: Vec<String> = way.filters.iter().map(|name| format!("{name}=…")).collect();
            let sort = format!("sort={0} or -{0}", way.sort);
            let all = [filters, vec![sort]].concat().join("&");
            if way.loose { format!("any of {all}") } else { all }
        };
        let ways: Vec<String> = self.ways.iter().map(way).collect();
        format!("this list takes limit, after, fields and one of: {}", ways.join("; "))
    }
}

impl Wanted {
    /// A filter's value, if the request has it.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The part of the index, below what keeps this list apart from others.
    pub(crate) fn scan(&self, within: IndexKey) -> Scan {
        let within = self.given.iter().fold(within, |within, (_, value)| within.text(value));
        let scan = Scan::of(self.way.index).within(within).after(self.after.clone()).limit(self.limit);
        if self.falling { scan.falling() } else { scan }
    }

    /// As [`Wanted::reply`], of a list that lies in memory as a whole; `id` is the field that tells one from another.
    ///
    /// The filters' values are compared with the fields of their names.
    pub(crate) fn reply_of<T: Serialize>(
        &self,
        all: impl IntoIterator<Item = T>,
        id: &str,
    ) -> Result<Response, ApiError> {
        let all = all.into_iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|error| ApiError::internal(&error))?;
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let fits =
            |thing: &serde_json::Value| self.given.iter().all(|(name, value)| text(&thing[*name]) == *value);
        let key = |(place, thing): (usize, serde_json::Value)| match self.way.index {
            IN_PLACE => (format!("{place:08}"), thing),
            _ => (format!("{}\0{}", text(&thing[self.way.sort]), text(&thing[id])), thing),
        };
        let fitting = all.into_iter().filter(fits).enumerate();
        let mut keyed: Vec<(String, serde_json::Value)> = fitting.map(key).collect();
        keyed.sort_by(|one, other| one.0.cmp(&other.0));
        if self.falling {
            keyed.reverse();
        }
        if let Some(after) = &self.after {
            let after = String::from_utf8(URL_SAFE_NO_PAD.decode(after.to_string()).unwrap_or_default());
            let after = after.unwrap_or_default();
            keyed.retain(|(key, _)| if self.falling { *key < after } else { *key > after });
        }
        let more = keyed.len() > self.limit;
        keyed.truncate(self.limit);
        let last = keyed.last().filter(|_| more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
        let next = last.and_then(|last| last.parse().ok());
        self.reply(Page { items: keyed.into_iter().map(|(_, thing)| thing).collect(), next })
    }

    /// 200 with `{"data":[…],"next":…}`, whose cursor belongs to this list.
    pub(crate) fn reply<T: Serialize>(&self, page: Page<T>) -> Result<Response, ApiError> {
        let next = page.next.as_ref().map(|cursor| {
            let raw = URL_SAFE_NO_PAD.decode(cursor.to_string()).unwrap_or_default();
            URL_SAFE_NO_PAD.encode([&self.tag[..], &raw].concat())
        });
        reply::json(&Listed { data: page.items, next })
    }
}

/// What a cursor of this list, filters and order begins with.
fn tag(path: &str, way: &Way, given: &[(&'static str, String)], falling: bool) -> [u8; TAG] {
    let mut hash = Sha256::new();
    let given = given.iter().flat_map(|(name, value)| [*name, value]);
    for part in [path, way.index, way.sort].into_iter().chain(given) {
        hash.update(part);
        hash.update([0]);
    }
    hash.update([u8::from(falling)]);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&hash.finalize()[..TAG]);
    tag
}

fn untag(text: &str, tag: [u8; TAG]) -> Result<Cursor, ApiError> {
    let raw = if text.len() <= 400 { URL_SAFE_NO_PAD.decode(text).ok() } else { None };
    let rest = raw.as_deref().and_then(|raw| raw.strip_prefix(&tag[..]));
    let cursor = rest.and_then(|rest| URL_SAFE_NO_PAD.encode(rest).parse::<Cursor>().ok());
    cursor.ok_or_else(|| {
        ApiError::field(
            "after",
            "must be `next` of an answer to the same filters and order: begin without it",
        )
    })
}

/// What [`truth`] takes.
pub(crate) const TRUTH: &[&str] = &["true", "false"];

/// A filter's value that is true or false.
pub(crate) fn truth(text: &str) -> Result<String, String> {
    match text {
        "true" | "false" => Ok(text.to_owned()),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A filter's value that is an id of a kind.
pub(crate) fn id<I: std::str::FromStr + ToString>(text: &str) -> Result<String, String>
where
    I::Err: ToString,
{
    text.parse::<I>().map(|id| id.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    static THINGS: Listing = Listing {
        path: "/things",
        filters: &[
            Filter { name: "online", words: "whether it is there", one_of: TRUTH, read: truth },
            Filter { name: "colour", words: "its colour", one_of: &[], read: |text| Ok(text.to_lowercase()) },
        ],
        ways: &[
            Way::newest(&[], "created_at", "number"),
            Way::rising(&[], "name", "name"),
            Way::newest(&["online"], "created_at", "online"),
            Way::rising(&["colour", "online"], "name", "colour_online"),
        ],
    };

    fn read(query: &str) -> Result<Wanted, ApiError> {
        THINGS.read(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn wrong(query: &str) -> String {
        String::from_utf8(read(query).unwrap_err().body()).unwrap()
    }

    #[test]
    fn a_request_is_served_by_the_index_that_fits() {
        let index = |query: &str| {
            let wanted = read(query).unwrap();
            let values: Vec<&str> = wanted.given.iter().map(|(_, value)| value.as_str()).collect();
            (wanted.way.index, wanted.falling, values.join(","))
        };
        assert_eq!(index(""), ("number", true, String::new()));
        assert_eq!(index("sort=created_at&fields=id"), ("number", false, String::new()));
        assert_eq!(index("sort=name"), ("name", false, String::new()));
        assert_eq!(index("sort=-name&limit=7"), ("name", true, String::new()));
        assert_eq!(index("online=true"), ("online", true, "true".to_owned()));
        assert_eq!(index("online=true&colour=Red"), ("colour_online", false, "red,true".to_owned()));
    }

    #[test]
    fn what_is_looked_through_takes_any_of_its_filters() {
        static LOG: Listing = Listing {
            path: "/log",
            filters: THINGS.filters,
            ways: &[Way::looked_through(&["online", "colour"], "seq", IN_JOURNAL)],
        };
        let read =
            |query: &str| LOG.read(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        for (query, online, colour) in [
            ("", None, None),
            ("colour=Red", None, Some("red")),
            ("colour=Red&online=true", Some("true"), Some("red")),
        ] {
            let wanted = read(query).unwrap();
            assert_eq!((wanted.value("online"), wanted.value("colour")), (online, colour), "{query}");
        }
        let after = |query| read(query).unwrap().tag;
        assert_eq!(after("colour=a&online=true"), after("online=true&colour=A"));
        assert_ne!(after("colour=true"), after("online=true"), "a value belongs to its filter");
        assert!(read("sort=name").is_err());
    }

    #[test]
    fn what_no_index_serves_is_refused_with_what_is_served() {
        for (query, fields) in [
            ("colour=red", &["colour"][..]),
            ("online=true&sort=name", &["online", "sort"]),
            ("sort=colour", &["sort"]),
            ("sort=", &["sort"]),
        ] {
            let text = wrong(query);
            for field in fields {
                assert!(text.contains(&format!("\"field\":\"{field}\"")), "{query}: {text}");
            }
            assert!(text.contains("colour=…&online=…&sort=name or -name"), "{text}");
        }
        let text = wrong("online=yes&shape=round&limit=0&colour=a&colour=b");
        for word in ["true or false", "\"shape\"", "from 1 to 200", "is there twice"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn a_cursor_belongs_to_its_list_filters_and_order() {
        let first = read("online=true").unwrap();
        let cursor = URL_SAFE_NO_PAD.encode([&first.tag[..], b"place"].concat());
        let again = read(&format!("online=true&limit=3&after={cursor}")).unwrap();
        assert_eq!(again.after.unwrap().to_string(), URL_SAFE_NO_PAD.encode("place"));
        for other in ["", "online=false", "online=true&sort=created_at", "sort=name"] {
            let text = wrong(&format!("{other}&after={cursor}"));
            assert!(text.contains("\"field\":\"after\""), "{other}: {text}");
        }
        for nonsense in ["!", "", "AAAA", &"A".repeat(500)] {
            assert!(wrong(&format!("after={nonsense}")).contains("after"), "{nonsense}");
        }
    }
}
