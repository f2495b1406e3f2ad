//! The lines of each file that ran and that did not run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::ptr;

use rhai::{AST, ASTNode, Expr, Stmt};

use super::{Counts, FunctionKey, LineAndColumn, Recorder, place};

/// The executable lines of a file.
#[derive(Debug, Default)]
pub(in crate::script::testing) struct ExecutableLines {
    /// The line on which each statement begins.
    statements: Vec<usize>,
    /// The statement of each place that Rhai can report.
    places: BTreeMap<LineAndColumn, usize>,
    /// The name of each function and the beginning of its body.
    functions: BTreeSet<(String, LineAndColumn)>,
}

impl ExecutableLines {
    /// Returns the executable lines of a compiled file: those on which a statement or the expression of a
    /// `switch` case begins.
    pub(in crate::script::testing) fn of(ast: &AST) -> Self {
        let mut lines = Self::default();
        for function in ast.iter_fn_def() {
            let body = place(function.body.start_position());
            lines.functions.insert((function.name.to_string(), body));
        }
        let mut seen = Units::default();
        ast.walk(&mut |path: &[ASTNode]| {
            if let Some(node) = path.last() {
                seen.note_cases(node);
                lines.add(seen.innermost(path), place(node.position()));
            }
            true
        });
        lines
    }

    /// Adds a place that belongs to a statement. A statement begins on the first line of its places. What Rhai
    /// adds to a script has no line.
    fn add(&mut self, statement: Option<usize>, place: LineAndColumn) {
        let Some(statement) = statement else { return };
        let begins = if place.0 > 0 { place.0 } else { usize::MAX };
        match self.statements.get_mut(statement) {
            Some(line) => *line = begins.min(*line),
            None => self.statements.push(begins),
        }
        if place.0 > 0 {
            self.places.insert(place, statement);
        }
    }
}

/// The statements, and the expressions of `switch` cases, in the order in which a walk finds them.
#[derive(Default)]
struct Units {
    /// The index of each unit by its address.
    known: BTreeMap<usize, usize>,
    /// The addresses of the expressions of `switch` cases.
    cases: BTreeSet<usize>,
}

impl Units {
    fn note_cases(&mut self, node: &ASTNode) {
        if let ASTNode::Stmt(Stmt::Switch(switch, _)) = node {
            for case in &switch.1.expressions {
                self.cases.insert(ptr::from_ref(&case.rhs).addr());
            }
        }
    }

    /// Returns the index of the innermost unit on a path.
    fn innermost(&mut self, path: &[ASTNode]) -> Option<usize> {
        let unit = path.iter().rev().find_map(|node| match node {
            ASTNode::Stmt(statement) if is_executable(statement) => {
                Some(ptr::from_ref::<Stmt>(statement).addr())
            }
            ASTNode::Expr(expression) if !matches!(expression, Expr::Stmt(_)) => {
                let address = ptr::from_ref::<Expr>(expression).addr();
                self.cases.contains(&address).then_some(address)
            }
            _ => None,
        })?;
        let next = self.known.len();
        Some(*self.known.entry(unit).or_insert(next))
    }
}

/// Returns whether a statement does anything besides containing other statements.
fn is_executable(statement: &Stmt) -> bool {
    match statement {
        Stmt::Noop(_) | Stmt::Block(_) | Stmt::Share(_) => false,
        Stmt::Expr(expression) => !matches!(**expression, Expr::Stmt(_)),
        _ => true,
    }
}

/// Returns the file that has the function `key`. A closure runs as part of the file that calls it.
pub(super) fn file_of<'a>(
    key: &FunctionKey,
    files: &'a BTreeMap<String, ExecutableLines>,
) -> Option<&'a str> {
    // The functions with which the server calls scripts belong to no file.
    let (file, lines) = files.get_key_value(&key.file)?;
    let function = (key.name.clone(), key.body);
    if key.name.is_empty() || lines.functions.contains(&function) {
        return Some(file);
    }
    let mut others = files.iter();
    let (other, _) = others.find(|(_, lines)| lines.functions.contains(&function))?;
    Some(other)
}

/// The lines of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileCoverage {
    /// The file, relative to the folder of the scripts.
    pub(crate) file: String,
    /// The number of times that each executable line ran.
    pub(crate) lines: BTreeMap<usize, u64>,
}

impl FileCoverage {
    fn new(file: &str, lines: &ExecutableLines) -> Self {
        let mut counted = BTreeMap::new();
        for line in lines.statements.iter().filter(|line| **line < usize::MAX) {
            counted.insert(*line, 0);
        }
        Self {
            file: file.to_owned(),
            lines: counted,
        }
    }

    /// Counts the places that a function reached. A statement ran as often as its most frequent place.
    fn count(&mut self, counts: &Counts, lines: &ExecutableLines) {
        let mut statements: BTreeMap<usize, u64> = BTreeMap::new();
        for (place, times) in &counts.reached {
            if let Some(statement) = lines.places.get(place) {
                let so_far = statements.entry(*statement).or_default();
                *so_far = (*times).max(*so_far);
            }
        }
        for (statement, times) in statements {
            if let Some(line) = lines.statements.get(statement) {
                let so_far = self.lines.entry(*line).or_default();
                *so_far = times.max(*so_far);
            }
        }
    }

    /// Returns the number of lines that ran.
    pub(crate) fn covered(&self) -> usize {
        self.lines.values().filter(|times| **times > 0).count()
    }

    /// Returns the lines that did not run. A range does not contain an executable line that ran.
    pub(crate) fn missed(&self) -> Vec<RangeInclusive<usize>> {
        let mut ranges: Vec<RangeInclusive<usize>> = Vec::new();
        let mut is_open = false;
        for (line, times) in &self.lines {
            if *times > 0 {
                is_open = false;
                continue;
            }
            match ranges.last_mut() {
                Some(range) if is_open => *range = *range.start()..=*line,
                _ => ranges.push(*line..=*line),
            }
            is_open = true;
        }
        ranges
    }
}

impl Recorder {
    /// Returns the lines of each file in `reported` that ran and that did not run.
    pub(in crate::script::testing) fn coverage(
        &self,
        files: &BTreeMap<String, ExecutableLines>,
        reported: impl Fn(&str) -> bool,
    ) -> Vec<FileCoverage> {
        let mut coverage = BTreeMap::new();
        for (file, lines) in files.iter().filter(|(file, _)| reported(file)) {
            coverage.insert(file.as_str(), FileCoverage::new(file, lines));
        }
        for (file, _, counts) in self.by_file(files) {
            if let (Some(of_file), Some(lines)) =
                (coverage.get_mut(file.as_str()), files.get(&file))
            {
                of_file.count(&counts, lines);
            }
        }
        coverage.into_values().collect()
    }
}
