//! What in an answer leads somewhere: ids, paths of the API, addresses of the web.

use super::document::Document;
use http::Method;

/// What every path of the API begins with.
pub(super) const ROOT: &str = "/api/v1";
/// Longest text that is looked at.
const MAX_TEXT: usize = 2000;

/// Where things are, by what their ids begin with.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<(String, String)>);

impl Links {
    /// Reads from the document which collections have things with an id.
    pub(super) fn of(document: Document<'_>) -> Self {
        let collections = document.addresses().into_iter().map(|(path, _)| path);
        let found = collections.filter_map(|path| {
            let one = document.at(&format!("{path}/x"));
            let get = one.iter().find(|operation| operation.method == Method::GET)?;
            let name = get.template.rsplit('/').next()?.strip_prefix('{')?.strip_suffix('}')?;
            let parameters = get.parameters();
            let id = parameters.iter().find(|parameter| parameter.name == name)?;
            Some((super::schema::id_prefix(&id.shape)?, path.to_owned()))
        });
        Self(found.collect())
    }

    /// Where a text leads, if it leads anywhere.
    pub(super) fn target(&self, text: &str) -> Option<String> {
        if text.is_empty()
            || text.len() > MAX_TEXT
            || text.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return None;
        }
        if is_path(text) || is_web(text) {
            return Some(text.to_owned());
        }
        let (prefix, collection) = self.0.iter().find(|(prefix, _)| text.starts_with(prefix.as_str()))?;
        let rest = &text[prefix.len()..];
        let is_id =
            rest.len() == 20 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        is_id.then(|| format!("{collection}/{text}"))
    }

    /// What ids begin with and where they lead, for the page's script.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(prefix, path)| (prefix.as_str(), path.as_str()))
    }
}

/// Whether a text is a path of the API.
fn is_path(text: &str) -> bool {
    text.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Whether a text is an address that a browser may open from here.
pub(super) fn is_web(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://")) && url::Url::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn ids_lead_to_their_things_and_paths_to_themselves() {
        let links = Links::of(Document(sample::document()));
        let to = |text: &str| links.target(text);
        let event = "evt_0123456789abcdefghjk";
        assert_eq!(to(event), Some(format!("/api/v1/events/{event}")));
        assert_eq!(to("/api/v1/jobs/job_1").as_deref(), Some("/api/v1/jobs/job_1"));
        assert_eq!(to("/api/v1").as_deref(), Some("/api/v1"));
        assert_eq!(to("https://example.org/a?b").as_deref(), Some("https://example.org/a?b"));
    }

    #[test]
    fn nothing_else_leads_anywhere() {
        let links = Links::of(Document(sample::document()));
        for text in [
            "",
            "evt_",
            "evt_0123456789abcdefghj",
            "evt_0123456789abcdefghj/",
            "xyz_0123456789abcdefghjk",
            "/api/v10",
            "/api/v1 x",
            "//example.org",
            "/events",
            "javascript:alert(1)",
            "data:text/html,x",
            "JAVASCRIPT:alert(1)",
            "https://",
            "ftp://example.org",
            "https://exa mple.org/",
        ] {
            assert_eq!(links.target(text), None, "{text}");
        }
    }
}
