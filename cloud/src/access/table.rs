//! The table of routes and what each needs: read once, asked for every request of the API.

use super::deprecation::Deprecation;
use super::permission::Permission;
use http::Method;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The table as it is written.
pub const TEXT: &str = include_str!("table.txt");

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

/// What a segment of a path must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// This word.
    Literal(&'static str),
    /// The id of a thing of the caller's account.
    Id(Thing),
    /// Any word.
    Name,
    /// One or more words, at the end.
    Rest,
}

/// What belongs to an account and has an id in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A box.
    Device,
    /// A live event.
    Event,
    /// An item.
    Item,
    /// A job.
    Job,
    /// A recording.
    Recording,
    /// A role.
    Role,
    /// A simulcast.
    Simulcast,
    /// A token.
    Token,
    /// A user.
    User,
}

impl Thing {
    const ALL: [Self; 9] = [
        Self::Device,
        Self::Event,
        Self::Item,
        Self::Job,
        Self::Recording,
        Self::Role,
        Self::Simulcast,
        Self::Token,
        Self::User,
    ];

    /// Its name in the table and in errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Event => "event",
            Self::Item => "item",
            Self::Job => "job",
            Self::Recording => "recording",
            Self::Role => "role",
            Self::Simulcast => "simulcast",
            Self::Token => "token",
            Self::User => "user",
        }
    }
}

impl Segment {
    fn parse(text: &'static str) -> Result<Self, String> {
        let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
            return Ok(if text == "**" { Self::Rest } else { Self::Literal(text) });
        };
        if name == "name" {
            return Ok(Self::Name);
        }
        let thing = Thing::ALL.into_iter().find(|thing| thing.name() == name);
        thing.map(Self::Id).ok_or_else(|| format!("`{{{name}}}` is not known"))
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The method.
    pub method: Method,
    /// The path's segments.
    pub path: Vec<Segment>,
    /// What it needs.
    pub need: Need,
    /// When it goes, and what is used instead.
    pub deprecation: Option<Deprecation>,
}

/// What the table has for a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A route, and what its path names.
    Route(&'a Rule, Option<(Thing, String)>),
    /// A path, but not for this method; for these.
    Methods(Vec<&'static str>),
    /// Nothing.
    Nothing,
}

/// The routes, as a tree of their paths' segments: how many there are costs a request nothing.
pub struct Table {
    rules: Vec<Rule>,
    tree: Node,
}

/// What may follow a path's beginning.
#[derive(Default)]
struct Node {
    words: HashMap<&'static str, Node>,
    /// Behind a segment that stands for any word.
    open: Option<Box<Node>>,
    /// The rules for everything below.
    below: Vec<usize>,
    /// The rules whose path ends here, one a method.
    here: Vec<usize>,
}

impl Node {
    /// Makes the place of a path.
    fn place(&mut self, path: &[Segment]) -> &mut Vec<usize> {
        match path.split_first() {
            None => &mut self.here,
            Some((Segment::Rest, _)) => &mut self.below,
            Some((Segment::Literal(word), rest)) => self.words.entry(word).or_default().place(rest),
            Some((Segment::Id(_) | Segment::Name, rest)) => self.open.get_or_insert_default().place(rest),
        }
    }

    /// The rules of a path that was given; a word says more than what stands for any.
    fn at(&self, path: Option<&str>) -> Option<&[usize]> {
        let Some(path) = path else { return (!self.here.is_empty()).then_some(&self.here) };
        let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let word = self.words.get(first).and_then(|node| node.at(rest));
        if word.is_some() || first.is_empty() {
            return word;
        }
        let open = self.open.as_ref().and_then(|node| node.at(rest));
        open.or_else(|| (!self.below.is_empty()).then_some(&self.below))
    }
}

impl Table {
    /// Reads a table; the error names the line.
    pub fn parse(text: &'static str) -> Result<Self, String> {
        let mut table = Self { rules: Vec::new(), tree: Node::default() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (Some(method), Some(path), Some(need)) = (words.next(), words.next(), words.next()) else {
                return Err(format!("`{line}` is not `METHOD path need`"));
            };
            let deprecation = Deprecation::parse(words).map_err(|error| format!("`{line}`: {error}"))?;
            let method = method.parse::<Method>().map_err(|error| format!("`{line}`: {error}"))?;
            let need = match need {
                "public" => Need::Public,
                "login" => Need::Login,
                "device" => Need::Device,
                name => Need::Permission(name.parse().map_err(|error| format!("`{line}`: {error}"))?),
            };
            let path = path.split('/').skip(1).map(Segment::parse).collect::<Result<Vec<_>, _>>()?;
            if path.len() != 2 && !matches!(path.get(2), Some(Segment::Literal(_))) {
                return Err(format!("`{line}` is not below /api/v1"));
            }
            let place = table.tree.place(&path);
            if place.iter().any(|at| table.rules[*at].method == method) {
                return Err(format!("`{line}` stands twice"));
            }
            place.push(table.rules.len());
            table.rules.push(Rule { method, path, need, deprecation });
        }
        Ok(table)
    }

    /// What a request needs.
    pub fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Some(at) = path.strip_prefix('/').and_then(|path| self.tree.at(Some(path))) else {
            return Found::Nothing;
        };
        let rules = at.iter().map(|at| &self.rules[*at]);
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        if let Some(rule) = rules.clone().find(|rule| rule.method == *wanted) {
            let named = rule.path.iter().zip(path.split('/').skip(1)).find_map(|(part, given)| match part {
                Segment::Id(thing) => Some((*thing, given.to_owned())),
                _ => None,
            });
            return Found::Route(rule, named);
        }
        let mut methods = Vec::new();
        for rule in rules {
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

/// What a request of the API needs.
pub fn find(method: &Method, path: &str) -> Found<'static> {
    TABLE.find(method, path)
}

/// All routes.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLE.rules.iter()
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
        let need = |name: &str, thing: Option<Thing>| {
            let named = thing.map(|thing| (thing, "x_1".to_owned()));
            Some((Need::Permission(name.parse().unwrap()), named))
        };
        let found = |method, path| match find(&method, path) {
            Found::Route(rule, named) => Some((rule.need, named)),
            _ => None,
        };
        let event = Some(Thing::Event);
        assert_eq!(found(Method::GET, "/api/v1/events"), need("events:read", None));
        assert_eq!(found(Method::HEAD, "/api/v1/events/x_1"), need("events:read", event));
        assert_eq!(found(Method::POST, "/api/v1/events/x_1/status"), need("events:run", event));
        assert_eq!(found(Method::GET, "/api/v1/devices/self/targets"), Some((Need::Device, None)));
        assert_eq!(find(&Method::PUT, "/api/v1/events"), Found::Methods(vec!["GET", "HEAD", "POST"]));
        assert_eq!(found(Method::GET, "/api/v1"), Some((Need::Login, None)));
        assert_eq!(found(Method::GET, "/api/v1/media/objects/a/b.mp4"), need("server:read", None));
        for nothing in [
            "/api",
            "/api/v1/",
            "/api/v1/event",
            "/api/v1/events/",
            "/api/v1/events/a/b/c",
            "/api/v1/media/objects",
        ] {
            assert_eq!(find(&Method::GET, nothing), Found::Nothing, "{nothing}");
        }
    }

    #[test]
    fn a_route_can_be_on_its_way_out() {
        let text = "GET /api/v1/a login deprecated=2026-11-01 sunset=2027-05-01 successor=/api/v1/b\nGET /api/v1/b login";
        let table = Table::parse(text).unwrap();
        let deprecated = |path| match table.find(&Method::GET, path) {
            Found::Route(rule, _) => rule.deprecation.clone(),
            _ => None,
        };
        assert_eq!(deprecated("/api/v1/a").unwrap().successor, Some("/api/v1/b"));
        assert_eq!(deprecated("/api/v1/b"), None);
        let error = Table::parse("GET /api/v1/a login deprecated=soon").err().unwrap();
        assert!(error.contains("`soon`"), "{error}");
    }
}
