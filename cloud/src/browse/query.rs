//! A page's query: what the API is asked, and which pages of a list led here.

/// The page's own key: the cursors of the pages before this one, the first of them empty.
const WALKED: &str = "walked";
/// Pages that the way back remembers.
const MAX_WALKED: usize = 40;

/// The pairs of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    walked: Vec<String>,
}

impl Query {
    /// Reads a query; what a form left empty is not asked for.
    pub(super) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in url::form_urlencoded::parse(text.as_bytes()).into_owned() {
            if key == WALKED {
                query.walked.push(value);
            } else if !value.is_empty() {
                query.pairs.push((key, value));
            }
        }
        query
    }

    /// What the API is asked.
    pub(super) fn asked(&self) -> String {
        encode(self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// A key's value.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    fn to(&self, after: &str, walked: &[String]) -> String {
        let kept = self.pairs.iter().filter(|(key, _)| key != "after");
        let kept = kept.map(|(key, value)| (key.as_str(), value.as_str()));
        let after = (!after.is_empty()).then_some(("after", after));
        let walked = walked.iter().map(|cursor| (WALKED, cursor.as_str()));
        format!("?{}", encode(kept.chain(after).chain(walked)))
    }

    /// Where the next page is.
    pub(super) fn next(&self, cursor: &str) -> String {
        let mut walked = self.walked.clone();
        walked.push(self.get("after").unwrap_or_default().to_owned());
        let from = walked.len().saturating_sub(MAX_WALKED);
        self.to(cursor, &walked[from..])
    }

    /// Where the page before is, if one led here.
    pub(super) fn previous(&self) -> Option<String> {
        let (last, before) = self.walked.split_last()?;
        Some(self.to(last, before))
    }

    /// Where the first page is, if this is another.
    pub(super) fn first(&self) -> Option<String> {
        self.get("after").map(|_| self.to("", &[]))
    }

    /// Which page this is, as far as is known.
    pub(super) fn page(&self) -> usize {
        self.walked.len() + 1
    }
}

fn encode<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_the_way_there() {
        let first = Query::parse("limit=2&state=&kind=a%20b");
        assert_eq!(first.asked(), "limit=2&kind=a+b", "what is empty is not asked for");
        assert_eq!((first.previous(), first.first()), (None, None));
        let second = Query::parse(first.next("c1").trim_start_matches('?'));
        assert_eq!(second.asked(), "limit=2&kind=a+b&after=c1");
        assert_eq!(second.previous().as_deref(), Some("?limit=2&kind=a+b"));
        let third = Query::parse(second.next("c2").trim_start_matches('?'));
        assert_eq!((third.asked().as_str(), third.page()), ("limit=2&kind=a+b&after=c2", 3));
        let back = Query::parse(third.previous().unwrap().trim_start_matches('?'));
        assert_eq!(back.asked(), second.asked());
        assert_eq!(back.previous(), second.previous());
    }

    #[test]
    fn a_long_way_stays_short() {
        let mut query = Query::default();
        for page in 0..200 {
            query = Query::parse(query.next(&format!("c{page}")).trim_start_matches('?'));
        }
        assert_eq!(query.walked.len(), MAX_WALKED);
        assert!(query.previous().is_some() && query.first().as_deref() == Some("?"));
    }
}
