//! The operations of each function.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Counts, ExecutableLines, FunctionKey, Recorder};
use crate::script::host_functions;

/// What the functions of scripts did while tests ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The functions, those with most operations of their own first.
    pub(crate) functions: Vec<FunctionProfile>,
    /// The number of calls of each host function, as in `http::get`.
    pub(crate) host_calls: BTreeMap<String, u64>,
}

/// What one function did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionProfile {
    /// Its file, relative to the folder of the scripts.
    pub(crate) file: String,
    /// The line on which its body begins; none for the top level of the file.
    pub(crate) line: Option<usize>,
    /// Its name; none for the top level of the file and for closures.
    pub(crate) name: Option<String>,
    /// The number of calls.
    pub(crate) calls: u64,
    /// Its operations, without those of the functions that it called.
    pub(crate) own: u64,
    /// The same with those of the functions that it called.
    pub(crate) total: u64,
    /// Its time without the functions that it called, while everything was being recorded.
    pub(crate) time: Duration,
}

impl FunctionProfile {
    fn new(file: String, key: FunctionKey, counts: &Counts) -> Self {
        let is_named = !key.name.is_empty() && !key.name.starts_with(CLOSURE);
        Self {
            file,
            line: (key.body.0 > 0).then_some(key.body.0),
            name: is_named.then_some(key.name),
            calls: counts.calls,
            own: counts.own,
            total: counts.total,
            time: counts.time,
        }
    }

    /// Adds what the same closure did when functions of another file called it.
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.own += other.own;
        self.total += other.total;
        self.time += other.time;
    }
}

/// The beginning of the names of closures.
const CLOSURE: &str = "anon$";

impl Recorder {
    /// Returns what the functions of the files in `reported` did.
    pub(in crate::script::testing) fn profile(
        &self,
        files: &BTreeMap<String, ExecutableLines>,
        reported: impl Fn(&str) -> bool,
    ) -> Profile {
        let (mut functions, mut host_calls) = (BTreeMap::new(), BTreeMap::new());
        for (file, key, counts) in self.by_file(files) {
            if !reported(&file) {
                continue;
            }
            for (name, calls) in &counts.module_calls {
                if is_host_function(name) {
                    *host_calls.entry(name.clone()).or_default() += calls;
                }
            }
            let id = (file.clone(), key.body, key.name.clone());
            let profile = FunctionProfile::new(file, key, &counts);
            functions
                .entry(id)
                .and_modify(|function: &mut FunctionProfile| function.add(&profile))
                .or_insert(profile);
        }
        let mut functions: Vec<FunctionProfile> = functions.into_values().collect();
        functions.sort_by_key(|function| std::cmp::Reverse(function.own));
        Profile {
            functions,
            host_calls,
        }
    }
}

/// Returns whether `name` is a host function rather than a function of a library.
fn is_host_function(name: &str) -> bool {
    let Some((module, function)) = name.split_once("::") else {
        return false;
    };
    let mut known = host_functions().into_iter();
    known.any(|known| known.module == module && known.name() == function)
}
