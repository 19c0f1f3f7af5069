//! The table of routes and what each needs: read once, asked for every request of the API.

use super::permission::Permission;
use http::Method;
use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("table.txt");

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::parse(TEXT)
        .unwrap_or_else(|error| panic!("access/table.txt: {error}, which a test would have told"))
});

/// What a route needs of whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Public,
    /// A login.
    Login,
    /// A box's id and secret.
    Device,
    /// A login that may do this.
    Permission(Permission),
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The method.
    pub method: Method,
    /// The path's segments; `*` for any, `**` for one or more.
    pub path: Vec<&'static str>,
    /// What it needs.
    pub need: Need,
}

/// What the table has for a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A route.
    Need(Need),
    /// A path, but not for this method; for these.
    Methods(Vec<&'static str>),
    /// Nothing.
    Nothing,
}

struct Table {
    /// By the segment after the version, so that no request looks at all rules.
    by_name: HashMap<&'static str, Vec<Rule>>,
}

impl Table {
    fn parse(text: &'static str) -> Result<Self, String> {
        let mut by_name: HashMap<&'static str, Vec<Rule>> = HashMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (Some(method), Some(path), Some(need), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(format!("`{line}` is not `METHOD path need`"));
            };
            let method = method.parse::<Method>().map_err(|error| format!("`{line}`: {error}"))?;
            let need = match need {
                "public" => Need::Public,
                "login" => Need::Login,
                "device" => Need::Device,
                name => Need::Permission(name.parse().map_err(|error| format!("`{line}`: {error}"))?),
            };
            let path: Vec<&'static str> = path.split('/').skip(1).collect();
            let Some(name) = path.get(2) else { return Err(format!("`{line}` is not below /api/v1")) };
            let rules = by_name.entry(name).or_default();
            if rules.iter().any(|rule| rule.method == method && rule.path == path) {
                return Err(format!("`{line}` stands twice"));
            }
            rules.push(Rule { method, path, need });
        }
        Ok(Self { by_name })
    }

    fn find(&self, method: &Method, path: &str) -> Found {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let rules = segments.get(2).and_then(|name| self.by_name.get(name)).map_or(&[][..], Vec::as_slice);
        let mut fitting = rules.iter().filter(|rule| fits(&rule.path, &segments)).collect::<Vec<_>>();
        // A literal segment says more than a star.
        let stars = |rule: &Rule| rule.path.iter().filter(|segment| **segment == "*").count();
        let fewest = fitting.iter().map(|rule| stars(rule)).min();
        fitting.retain(|rule| Some(stars(rule)) == fewest);
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        if let Some(rule) = fitting.iter().find(|rule| rule.method == *method) {
            return Found::Need(rule.need);
        }
        if fitting.is_empty() {
            return Found::Nothing;
        }
        let mut methods = Vec::new();
        for rule in fitting {
            match rule.method {
                Method::GET => methods.extend(["GET", "HEAD"]),
                Method::POST => methods.push("POST"),
                Method::PUT => methods.push("PUT"),
                Method::PATCH => methods.push("PATCH"),
                _ => methods.push("DELETE"),
            }
        }
        Found::Methods(methods)
    }
}

fn fits(path: &[&str], segments: &[&str]) -> bool {
    let fits = |(wanted, given): (&&str, &&str)| wanted == given || (*wanted == "*" && !given.is_empty());
    match path.split_last() {
        Some((&"**", before)) => segments.len() >= path.len() && before.iter().zip(segments).all(fits),
        _ => path.len() == segments.len() && path.iter().zip(segments).all(fits),
    }
}

/// What a request of the API needs.
pub fn find(method: &Method, path: &str) -> Found {
    TABLE.find(method, path)
}

/// All routes.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLE.by_name.values().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_each_permission_opens_something() {
        assert!(rules().count() > 40);
        for permission in Permission::ALL {
            let opens = rules().any(|rule| rule.need == Need::Permission(*permission));
            assert!(opens, "{permission} opens nothing");
        }
        for rule in rules() {
            let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
            assert!(known.contains(&rule.method), "{rule:?}");
        }
    }

    #[test]
    fn requests_find_their_line() {
        let need = |name: &str| Found::Need(Need::Permission(name.parse().unwrap()));
        assert_eq!(find(&Method::GET, "/api/v1/events"), need("events:read"));
        assert_eq!(find(&Method::HEAD, "/api/v1/events/evt_1"), need("events:read"));
        assert_eq!(find(&Method::POST, "/api/v1/events/evt_1/status"), need("events:run"));
        assert_eq!(find(&Method::GET, "/api/v1/devices/self/targets"), Found::Need(Need::Device));
        assert_eq!(find(&Method::PUT, "/api/v1/events"), Found::Methods(vec!["GET", "HEAD", "POST"]));
        assert_eq!(find(&Method::GET, "/api/v1/media/objects/a/b.mp4"), need("server:read"));
        for nothing in [
            "/api/v1",
            "/api/v1/",
            "/api/v1/event",
            "/api/v1/events/",
            "/api/v1/events/a/b/c",
            "/api/v1/media/objects",
        ] {
            assert_eq!(find(&Method::GET, nothing), Found::Nothing, "{nothing}");
        }
    }
}
