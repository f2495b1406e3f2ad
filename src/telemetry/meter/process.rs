//! What is written when the metrics are read instead of being recorded before: the numbers of the process, under the
//! names that all client libraries of Prometheus use, and when certificates end. The library of the recorder has only
//! whole numbers as counters, and its gauges stay when what they describe is gone.
//!
//! The numbers of the process come from `/proc`, so they are missing on systems without it.

use std::fmt::Write as _;
use std::fs;

use super::names;

/// The units of processor times in `/proc`, per second. Linux has the same on all its platforms, whatever the
/// frequency of its timer is.
const TICKS: f64 = 100.0;

/// Returns the metrics of this process, which has run since `started`, in seconds since 1970. Reads files, so call it
/// on a thread that may block.
pub(super) fn process(started: u64) -> String {
    let status = read("status");
    let kibibytes = |name: &str| number_after(&status, name).map(|value| value * 1_024.0);
    let found = [
        (names::CPU_SECONDS, cpu_seconds(&read("stat"))),
        (names::RESIDENT_BYTES, kibibytes("VmRSS:")),
        (names::VIRTUAL_BYTES, kibibytes("VmSize:")),
        (names::OPEN_FDS, open_files()),
        (
            names::MAX_FDS,
            number_after(&read("limits"), "Max open files"),
        ),
        (names::THREADS, number_after(&status, "Threads:")),
        (names::STARTED, Some(super::large(started))),
    ];
    let mut text = String::new();
    for (name, value) in found {
        if let Some(value) = value {
            head(&mut text, name);
            let _ = writeln!(text, "{name} {value}\n");
        }
    }
    text
}

/// Returns the metric of the ends of certificates: the option that names their file, and seconds since 1970.
pub(super) fn certificates(ends: &[(String, u64)]) -> String {
    let name = names::CERTIFICATE_EXPIRES;
    let mut text = String::new();
    if ends.is_empty() {
        return text;
    }
    head(&mut text, name);
    for (option, end) in ends {
        let _ = writeln!(text, "{name}{{certificate=\"{option}\"}} {end}");
    }
    text.push('\n');
    text
}

/// Writes the help text and the type of a metric.
fn head(text: &mut String, name: &str) {
    let known = names::WRITTEN.iter().find(|(known, ..)| *known == name);
    if let Some((_, kind, help)) = known {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
}

/// Returns a file about this process, or nothing if it cannot be read.
fn read(name: &str) -> String {
    fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default()
}

/// Returns the number that follows `name` in its line of `text`.
fn number_after(text: &str, name: &str) -> Option<f64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
    values.next()?.split_whitespace().next()?.parse().ok()
}

/// Returns the processor time in `stat`, in seconds, of the process and of its system calls (proc(5), fields 14, 15).
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the name of the program, which may have spaces and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let (own, system): (f64, f64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((own + system) / TICKS)
}

/// Returns how many files, sockets and the like are open.
fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the folder that is being read.
    Some(super::number(count.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_time_is_found_behind_any_name_of_the_program() {
        let stat = "42 (a b) c) 1) S 1 42 42 0 -1 4194304 900 0 0 0 150 25 0 0 20 0 9 0 7 1000 200";
        assert_eq!(cpu_seconds(stat), Some(1.75));
        assert_eq!(cpu_seconds(""), None);
        assert_eq!(cpu_seconds("42 (a) S 1"), None);
    }

    #[test]
    fn a_limit_that_is_no_number_is_left_out() {
        let limits = "Max open files            1024                 524288               files\n";
        assert_eq!(number_after(limits, "Max open files"), Some(1_024.0));
        let none = "Max open files            unlimited            unlimited            files\n";
        assert_eq!(number_after(none, "Max open files"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_every_number_of_the_process() {
        let text = process(1_700_000_000);
        for (name, kind, _) in names::WRITTEN {
            if *name != names::CERTIFICATE_EXPIRES {
                assert!(
                    text.contains(&format!("# TYPE {name} {kind}\n{name} ")),
                    "{text}"
                );
            }
        }
        assert!(
            text.contains("process_start_time_seconds 1700000000\n"),
            "{text}"
        );
    }

    #[test]
    fn each_certificate_has_the_option_that_names_its_file() {
        let ends = [("server.tls.certificate".to_owned(), 1_800_000_000)];
        let text = certificates(&ends);
        let line = "registrar_certificate_expires_timestamp_seconds{certificate=\"server.tls.certificate\"} 1800000000";
        assert!(text.contains(line), "{text}");
        assert_eq!(certificates(&[]), "");
    }
}
