//! Fenced blocks of a page of Markdown.

/// A block between two fences.
pub(crate) struct Block<'a> {
    /// Where its first fence stands, from 1.
    pub(crate) line: usize,
    pub(crate) language: &'a str,
    /// What follows the language: `needs:git`.
    words: Vec<&'a str>,
    pub(crate) lines: Vec<&'a str>,
    /// The rows of the first table between it and the next block, without its head.
    pub(crate) rows: Vec<&'a str>,
}

impl<'a> Block<'a> {
    /// The value of a word, empty for one without.
    pub(crate) fn word(&self, name: &str) -> Option<&'a str> {
        self.words.iter().find_map(|word| {
            let (key, value) = word.split_once(':').unwrap_or((word, ""));
            (key == name).then_some(value)
        })
    }

    /// Why it is not run, where it says so.
    pub(crate) fn reason_not_to_run(&self) -> Option<&'a str> {
        let reason = self.word("not-run");
        assert_ne!(reason, Some(""), "line {}: no reason", self.line);
        // The list of what is not run has commands alone.
        let is_listed = reason.is_none() || self.language == "console";
        assert!(is_listed, "line {}: only commands are not run", self.line);
        reason
    }

    /// The words are among those that mean something.
    #[track_caller]
    pub(crate) fn has_only(&self, known: &[&str]) {
        for word in &self.words {
            let name = word.split(':').next().unwrap_or_default();
            assert!(known.contains(&name), "line {}: `{word}`", self.line);
        }
    }
}

/// Every block of a page.
pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let mut words = info.split(',');
        let language = words.next().unwrap_or_default();
        let inner = lines.by_ref().map(|(_, line)| line);
        let inner = inner.take_while(|line| *line != "```").collect();
        let after = lines.clone().map(|(_, line)| line);
        let rows = after
            .take_while(|line| !line.starts_with("```"))
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .skip(2);
        blocks.push(Block {
            line: at + 1,
            language,
            words: words.collect(),
            lines: inner,
            rows: rows.collect(),
        });
    }
    blocks
}

#[test]
fn a_block_has_its_words_lines_and_table() {
    let text =
        "a\n```toml,answers,file:x\nb\n\n```\nc\n\n| p | q |\n|-|-|\n| 1 | 2 |\n\n```json\n```\n";
    let blocks = blocks(text);
    assert_eq!(blocks.len(), 2);
    let first = blocks.first().unwrap_or_else(|| panic!("a block"));
    assert_eq!((first.line, first.language), (2, "toml"));
    assert_eq!(first.word("file"), Some("x"));
    assert_eq!(first.word("answers"), Some(""));
    assert_eq!(first.word("fil"), None);
    assert_eq!(first.lines, ["b", ""]);
    assert_eq!(first.rows, ["| 1 | 2 |"]);
}
