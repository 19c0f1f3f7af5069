//! The document around a page: built with the web front, which knows its style and its script.

use crate::player;
use maud::{Markup, PreEscaped, html};

const TITLE: &str = "<title>Stagebox</title>";
const PLACE: &str = "<div id=\"page\"></div>";

/// The whole HTML document.
pub(super) fn whole(title: &str, page: &Markup) -> String {
    filled(player::shell("browse.html").as_deref(), title, page)
}

/// A page of a server that was built before its web front is plain, and has everything in it all the same.
pub(super) fn filled(shell: Option<&str>, title: &str, page: &Markup) -> String {
    let title = html! { title { (title) } }.into_string();
    let halves = shell.and_then(|shell| shell.split_once(PLACE));
    match halves {
        Some((head, foot)) => {
            format!("{}{}{foot}", head.replacen(TITLE, &title, 1), page.0)
        }
        None => html! {
            (maud::DOCTYPE)
            html lang="en" {
                head { meta charset="utf-8"; meta name="viewport" content="width=device-width, initial-scale=1"; (PreEscaped(title)) }
                body { (page) }
            }
        }
        .into_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fills_its_shell_and_is_never_taken_for_it() {
        let shell = "<head><title>Stagebox</title></head><body><div id=\"page\"></div></body>";
        let page = html! { p { "<div id=\"page\"></div>" } };
        let whole = filled(Some(shell), "</title><script>", &page);
        assert_eq!(
            whole,
            "<head><title>&lt;/title&gt;&lt;script&gt;</title></head><body>\
             <p>&lt;div id=&quot;page&quot;&gt;&lt;/div&gt;</p></body>"
        );
        assert!(filled(None, "t", &page).starts_with("<!DOCTYPE html>"));
    }
}
