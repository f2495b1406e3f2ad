//! What the metrics have from the start on, and what is measured when they are read: certificates and the process.

use crate::metrics::{Scraped, series};
use crate::process::{command, until};
use crate::tls;

/// `increase` of a counter that appears with its first event is 0.
#[tokio::test]
async fn counters_begin_at_zero() {
    let scraped = Scraped::start("");
    let series = series(&scraped.text().await);
    for name in [
        r#"script_calls_total{script="10-policy.rhai",hook="createClient",outcome="fault"}"#,
        r#"script_calls_total{script="10-policy.rhai",hook="createClient",outcome="busy"}"#,
        r#"store_writes_total{outcome="failed"}"#,
        r#"store_writes_total{outcome="busy"}"#,
        r#"reloads_total{what="scripts",outcome="failed"}"#,
        r#"client_changes_total{change="registered",trust_level="attested"}"#,
        r#"pending_changes_total{type="registration",change="expired"}"#,
        r#"document_resolutions_total{outcome="unavailable"}"#,
        r#"hosted_documents_total{outcome="not_found"}"#,
        r#"candidate_shadowed_total{outcome="different"}"#,
        r#"fetches_total{outcome="refused"}"#,
        r#"key_lookups_total{outcome="stale"}"#,
        "rate_limited_total",
        "answers_cut_off_total",
        "candidate_decided_total",
        "clients_expired_total",
        "audit_events_lost_total",
    ] {
        let name = format!("registrar_{name}");
        assert_eq!(series.get(&name), Some(&0.0), "{name}");
    }
    let hooks = series.keys().filter(|name| name.contains("10-policy.rhai"));
    assert!(
        hooks.clone().all(|name| name.contains("createClient")),
        "{:?}",
        hooks.collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn the_ends_of_certificates_are_those_of_the_files_in_use() {
    let files = tempfile::TempDir::new().unwrap();
    let tls = tls::configuration(files.path());
    let authority = format!("clientCa = {:?}\n", files.path().join("server.pem"));
    let scraped = Scraped::start(&format!("{tls}{authority}"));
    let end = async |option: &str| {
        let name =
            format!("registrar_certificate_expires_timestamp_seconds{{certificate={option:?}}}");
        series(&scraped.text().await).get(&name).copied()
    };
    let late = f64::from(u32::try_from(tls::LATE).unwrap());
    for option in ["server.tls.certificate", "server.tls.clientCa"] {
        assert_eq!(end(option).await, Some(late), "{option}");
    }
    assert_eq!(end("fetch.caFile").await, None);
    // A certificate that cannot be used is not in use.
    std::fs::write(files.path().join("server.pem"), "nothing").unwrap();
    until(async || {
        series(&scraped.text().await).get(r#"registrar_last_reload_ok{what="certificate"}"#)
            == Some(&0.0)
    })
    .await;
    assert_eq!(end("server.tls.certificate").await, Some(late));
    tls::write_until(files.path(), tls::LATE - 86_400);
    until(async || end("server.tls.certificate").await == Some(late - 86_400.0)).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_is_measured_under_the_names_that_dashboards_know() {
    let scraped = Scraped::start("");
    let text = scraped.text().await;
    assert!(
        text.contains("# TYPE process_cpu_seconds_total counter\n"),
        "{text}"
    );
    let series = series(&text);
    for (name, least) in [
        ("cpu_seconds_total", 0.0),
        ("resident_memory_bytes", 1_000_000.0),
        ("virtual_memory_bytes", 1_000_000.0),
        ("open_fds", 5.0),
        ("max_fds", 64.0),
        ("threads", 2.0),
        ("start_time_seconds", 1_700_000_000.0),
    ] {
        let value = series.get(&format!("process_{name}")).copied();
        assert!(value >= Some(least), "{name}: {value:?}");
    }
    assert!(series["process_open_fds"] < series["process_max_fds"]);
}

/// The allocator takes the place of that of the C library when the binary is linked. If that failed, nothing but the speed
/// would show it.
#[test]
fn memory_comes_from_the_allocator_that_is_linked() {
    let mut version = command(&["--version"]);
    let output = version.env("MIMALLOC_SHOW_STATS", "1").output().unwrap();
    let statistics = String::from_utf8(output.stderr).unwrap();
    let pages = statistics.lines().find_map(|line| {
        let (_, numbers) = line.trim().strip_prefix("pages ")?.split_once(':')?;
        numbers.split_whitespace().next()?.parse::<u32>().ok()
    });
    assert!(pages.is_some_and(|pages| pages > 5), "{statistics}");
}
