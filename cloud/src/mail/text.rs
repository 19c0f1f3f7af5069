//! What a mail says, as plain text and as HTML of the same words.

use crate::html::escaped;
use std::fmt::Write as _;

/// A mail to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// What they are called; may be empty.
    pub name: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub parts: Vec<Part>,
}

/// A piece of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A paragraph.
    Text(String),
    /// A link on a line of its own.
    Link {
        /// What it does.
        label: String,
        /// Where it leads.
        url: String,
    },
}

impl Mail {
    /// As plain text.
    pub(super) fn plain(&self) -> String {
        let mut text = format!("{}\r\n\r\n", self.greeting());
        for part in &self.parts {
            // A text of bytes is never out of room.
            let _ = match part {
                Part::Text(words) => write!(text, "{words}\r\n\r\n"),
                Part::Link { label, url } => write!(text, "{label}:\r\n{url}\r\n\r\n"),
            };
        }
        text.push_str("Stagebox\r\n");
        text
    }

    /// As HTML.
    pub(super) fn html(&self) -> String {
        let mut body = format!("<p>{}</p>", escaped(&self.greeting()));
        for part in &self.parts {
            let _ = match part {
                Part::Text(words) => write!(body, "<p>{}</p>", escaped(words)),
                Part::Link { label, url } => write!(
                    body,
                    "<p style=\"margin:24px 0\"><a href=\"{url}\" style=\"display:inline-block;padding:11px 18px;\
                     border-radius:7px;background:#1f5fd0;color:#ffffff;font-weight:600;text-decoration:none\">{}</a></p>\
                     <p style=\"color:#4f5965;font-size:13px\">Or copy this address into the browser:<br>\
                     <span style=\"word-break:break-all\">{url}</span></p>",
                    escaped(label),
                    url = escaped(url),
                ),
            };
        }
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head>\
             <body style=\"margin:0;padding:24px;background:#f2f4f6;color:#14181d;\
             font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif\">\
             <div style=\"max-width:520px;margin:0 auto;padding:24px;border-radius:10px;background:#ffffff\">{body}\
             <p style=\"margin-bottom:0;color:#6d7783;font-size:13px\">Stagebox</p></div></body></html>",
            escaped(&self.subject),
        )
    }

    fn greeting(&self) -> String {
        if self.name.is_empty() { "Hello,".to_owned() } else { format!("Hello {},", self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same_and_no_name_becomes_markup() {
        let mail = Mail {
            to: "a@b.org".to_owned(),
            name: "<b>Anna</b>".to_owned(),
            subject: "A & B".to_owned(),
            parts: vec![
                Part::Text("1 < 2".to_owned()),
                Part::Link { label: "Go".to_owned(), url: "https://x/#a\"b".to_owned() },
            ],
        };
        assert_eq!(
            mail.plain(),
            "Hello <b>Anna</b>,\r\n\r\n1 < 2\r\n\r\nGo:\r\nhttps://x/#a\"b\r\n\r\nStagebox\r\n"
        );
        let html = mail.html();
        assert!(html.contains("Hello &lt;b&gt;Anna&lt;/b&gt;,") && html.contains("1 &lt; 2"));
        assert!(html.contains("href=\"https://x/#a&quot;b\"") && html.contains("<title>A &amp; B</title>"));
        assert!(!html.contains("<b>"));
    }
}
