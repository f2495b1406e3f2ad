//! The difference of two texts, as `diff -u` shows it.

/// Lines that were removed and added.
pub(super) struct LineDifference {
    pub(super) title: String,
    pub(super) lines: Vec<(&'static str, &'static str, String)>,
}

impl LineDifference {
    /// Returns the lines in which `after` differs from `before`, with some lines around them.
    pub(super) fn between(title: impl Into<String>, before: &str, after: &str) -> Self {
        let changes = similar::TextDiff::from_lines(before, after);
        let mut lines = Vec::new();
        for (at, group) in changes.grouped_ops(3).iter().enumerate() {
            if at > 0 {
                lines.push(("gap", " ", "…".to_owned()));
            }
            for change in group.iter().flat_map(|op| changes.iter_changes(op)) {
                let (class, sign) = match change.tag() {
                    similar::ChangeTag::Delete => ("removed", "-"),
                    similar::ChangeTag::Insert => ("added", "+"),
                    similar::ChangeTag::Equal => ("same", " "),
                };
                let text = change.value().trim_end_matches('\n').to_owned();
                lines.push((class, sign, text));
            }
        }
        Self {
            title: title.into(),
            lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_the_changed_lines_and_some_around_them() {
        let difference = LineDifference::between("x", "a\nb\nc\n", "a\nB\nc\n");
        let lines: Vec<String> = difference
            .lines
            .iter()
            .map(|(_, sign, text)| format!("{sign}{text}"))
            .collect();
        assert_eq!(lines, [" a", "-b", "+B", " c"]);
    }
}
