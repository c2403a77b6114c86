//! The documents: every page of the book is in its summary, and every link leads somewhere.

use std::fs;
use std::path::Path;

use crate::documents::{files_of, read};
use crate::run::Error;

pub(crate) fn check() -> Result<(), Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let book = root.join("docs");
    let summary = book.join("SUMMARY.md");
    let chapters = links(&read(summary.clone())?);
    let mut missing = Vec::new();
    let mut count = 0;
    for directory in [&root, &book] {
        for page in files_of(directory, "md")? {
            let name = page.strip_prefix(&book).ok().and_then(Path::to_str);
            if page != summary && name.is_some_and(|name| !chapters.iter().any(|link| link == name))
            {
                missing.push(format!("{} in {}", page.display(), summary.display()));
            }
            for link in links(&read(page.clone())?) {
                count += 1;
                if !leads_somewhere(&page, &link)? {
                    missing.push(format!("{}: {link}", page.display()));
                }
            }
        }
    }
    println!("{count} links, {} pages or targets missing", missing.len());
    if missing.is_empty() && count > 0 {
        Ok(())
    } else {
        Err(Error::Documents(missing))
    }
}

fn leads_somewhere(page: &Path, link: &str) -> Result<bool, Error> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match (path, page.parent()) {
        ("", _) | (_, None) => page.to_owned(),
        (path, Some(directory)) => directory.join(path),
    };
    if anchor.is_empty() || !target.is_file() {
        return Ok(anchor.is_empty() && fs::metadata(target).is_ok());
    }
    Ok(anchors(&read(target)?).iter().any(|place| place == anchor))
}

/// The lines of a page that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Where its links lead, other machines aside.
fn links(text: &str) -> Vec<String> {
    let prose: Vec<_> = prose(text).collect();
    // Every second piece stands between backticks.
    let plain: String = prose.join("\n").split('`').step_by(2).collect();
    plain
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://"))
        .map(str::to_owned)
        .collect()
}

/// The names of its headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "[a\nb](c.md#d), [`e`](../f) `[g](h)`\n```\n[i](j)\n```\n[k](https://l) [m](#n)";
        assert_eq!(links(text), ["c.md#d", "../f", "#n"]);
    }

    #[test]
    fn an_anchor_is_its_heading() {
        let text = "# What `--json` prints\n## Secrets, and names\n```\n# no\n```\n";
        assert_eq!(anchors(text), ["what---json-prints", "secrets-and-names"]);
    }

    #[test]
    fn a_link_leads_to_a_file_or_a_heading() {
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let page = directory.path().join("page.md");
        for (path, text) in [(&page, "# A"), (&directory.path().join("other.md"), "# B")] {
            fs::write(path, text).unwrap_or_else(|error| panic!("{error}"));
        }
        for (link, expected) in [
            ("other.md", true),
            (".", true),
            ("none.md", false),
            ("#a", true),
            ("#b", false),
            ("other.md#b", true),
            ("other.md#a", false),
            ("none.md#b", false),
        ] {
            assert_eq!(leads_somewhere(&page, link).ok(), Some(expected), "{link}");
        }
    }
}
