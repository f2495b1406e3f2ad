//! `[upstreamRegistration]`.

use super::read;

#[test]
fn a_front_needs_a_url_and_excludes_the_silent_mode() {
    let silent =
        "[registration]\nregistrationApproval = \"required\"\nregistrationApprovalSilent = true\n";
    for (url, more, part) in [
        (
            "as.example.org",
            "",
            "upstreamRegistration.url: must be the URL of a registration endpoint",
        ),
        (
            "https://u:p@as.example.org/register",
            "",
            "must be the URL of a registration endpoint",
        ),
        (
            "https://as.example.org/register",
            silent,
            "registrationApprovalSilent: cannot be used",
        ),
    ] {
        let text = format!("{more}[upstreamRegistration]\nurl = \"{url}\"\n");
        let error = read(&text, &[], &[]).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let configuration = read("[upstreamRegistration]\nmembers = [\"scope\"]\n", &[], &[]).unwrap();
    let warnings = configuration.warnings.join("; ");
    assert!(
        warnings.contains("upstreamRegistration.url: is missing"),
        "{warnings}"
    );
    let url = "url = \"http://as.example.org/register\"";
    let configuration = read(&format!("[upstreamRegistration]\n{url}\n"), &[], &[]).unwrap();
    let warnings = configuration.warnings.join("; ");
    assert!(warnings.contains("over http"), "{warnings}");
}
