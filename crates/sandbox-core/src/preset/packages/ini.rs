//! Files of `key = value` in sections, as npm and pip read them.

/// One line, or with `continued` a line and the indented ones behind it.
pub(super) struct Setting<'a> {
    /// Empty before the first section.
    pub(super) section: &'a str,
    pub(super) key: &'a str,
    pub(super) value: String,
}

/// The settings of a text. What is none is skipped, as the tools do or end with.
pub(super) fn settings(text: &str, continued: bool) -> Vec<Setting<'_>> {
    let mut settings: Vec<Setting<'_>> = Vec::new();
    let mut section = "";
    // Whether the last line was one that an indented one goes on with.
    let mut is_open = false;
    for line in text.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if continued
            && is_indented
            && is_open
            && let Some(setting) = settings.last_mut()
        {
            setting.value.push(' ');
            setting.value.push_str(line);
            continue;
        }
        is_open = false;
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').trim();
        } else if let Some((key, value)) = line.split_once('=') {
            is_open = true;
            settings.push(Setting {
                section,
                key: key.trim(),
                value: value.trim().to_owned(),
            });
        }
    }
    settings
}
