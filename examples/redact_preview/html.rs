//! The preview as a page, which needs nothing else and runs nothing.

use crate::Preview;

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#59636e;--line:#d1d9e0;\
--gone:#ffebe9;--gone-text:#82071e;--new:#dafbe1;--new-text:#116329}\
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#3d444d;\
--gone:#3c1618;--gone-text:#ffaba8;--new:#12261e;--new-text:#7ee787}}\
*{box-sizing:border-box}body{margin:0;padding:1.5rem;background:var(--back);color:var(--text);\
font:15px/1.5 system-ui,sans-serif}main{max-width:80rem;margin:auto}h1{font-size:1.4rem;margin:0 0 .25rem}\
h2{font-size:1rem;margin:2rem 0 .5rem}p{color:var(--soft);margin:.25rem 0}.wide{overflow-x:auto;\
border:1px solid var(--line);border-radius:6px}table{border-collapse:collapse;width:100%;\
table-layout:fixed;min-width:40rem}th{text-align:left;font-weight:600;padding:.4rem .75rem;\
border-bottom:1px solid var(--line)}td{padding:0 .75rem;vertical-align:top;white-space:pre-wrap;\
overflow-wrap:anywhere;font:13px/1.6 ui-monospace,monospace}td+td,th+th{border-left:1px solid var(--line)}\
.gone{background:var(--gone);color:var(--gone-text)}.new{background:var(--new);color:var(--new-text)}\
ul{margin:.5rem 0;padding-left:1.25rem}code{font:13px ui-monospace,monospace}";

pub(crate) fn page(previews: &[Preview]) -> String {
    let changed = previews.iter().filter(|preview| !preview.fired.is_empty()).count();
    let refused = previews.iter().filter(|preview| preview.refused.is_some()).count();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Redaction preview</title><style>{STYLE}</style></head><body><main>\
         <h1>Redaction preview</h1><p>{} events, {changed} redacted, {refused} refused. \
         The left side is what redaction hides: share this page with those who may see it.</p>\n",
        previews.len()
    );
    for (number, preview) in previews.iter().enumerate() {
        page.push_str(&format!("<h2>Event {}</h2>\n", number + 1));
        match &preview.refused {
            Some(why) => page.push_str(&format!(
                "<p>Refused, and nothing of it is left: {}.</p>\n",
                escaped(why)
            )),
            None => event(preview, &mut page),
        }
    }
    page.push_str("</main></body></html>\n");
    page
}

fn event(preview: &Preview, page: &mut String) {
    page.push_str(
        "<div class=\"wide\"><table><thead><tr><th>Before</th><th>After</th></tr></thead><tbody>\n",
    );
    for row in &preview.rows {
        let cell = |text: &Option<String>, class: &str| {
            let class = if row.is_same() || text.is_none() { "" } else { class };
            format!("<td class=\"{class}\">{}</td>", escaped(text.as_deref().unwrap_or_default()))
        };
        let (before, after) = (cell(&row.before, "gone"), cell(&row.after, "new"));
        page.push_str(&format!("<tr>{before}{after}</tr>\n"));
    }
    page.push_str("</tbody></table></div>\n");
    if preview.fired.is_empty() {
        page.push_str("<p>No rule found anything.</p>\n");
        return;
    }
    page.push_str("<ul>\n");
    for (rule, place) in &preview.fired {
        let (rule, place) = (escaped(rule), escaped(place));
        page.push_str(&format!("<li>{rule} at <code>{place}</code></li>\n"));
    }
    page.push_str("</ul>\n");
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, char| {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Row;

    #[test]
    fn an_event_is_text_to_a_page() {
        let hostile = "</td><script>alert(1)</script>&\"'";
        let preview = Preview {
            rows: vec![Row { before: Some(hostile.into()), after: None }],
            fired: vec![(hostile.into(), hostile.into())],
            refused: None,
        };
        let refused =
            Preview { rows: Vec::new(), fired: Vec::new(), refused: Some(hostile.into()) };
        let page = page(&[preview, refused]);
        assert!(!page.contains("<script") && page.matches("&lt;script&gt;").count() == 4, "{page}");
        assert!(page.contains("2 events, 1 redacted, 1 refused"));
    }
}
