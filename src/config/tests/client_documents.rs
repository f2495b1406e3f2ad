use super::{check, read};
use crate::config::ClientDocuments;

#[test]
fn client_documents_have_consistent_options() {
    check(
        "[registration]\nclientDocuments = \"listed\"\n",
        &[
            "registration.clientDocumentAllowList: is empty, so clientDocuments = \"listed\" would accept no document; \
           list URLs, or set clientDocuments to \"off\"",
        ],
    );
    check(
        "[registration]\nclientDocumentMaximumSeconds = 299\n",
        &[
            "r.toml:2:1: registration.clientDocumentMaximumSeconds: must not be less than clientDocumentMinimumSeconds",
        ],
    );
    check(
        "[registration]\nclientDocumentDefaultSeconds = 299\n",
        &[
            "r.toml:2:1: registration.clientDocumentDefaultSeconds: must be from clientDocumentMinimumSeconds to \
           clientDocumentMaximumSeconds",
        ],
    );
    check(
        "[limits]\ndocumentUriBytes = 513\n",
        &["r.toml:2:1: limits.documentUriBytes: must not exceed 512"],
    );
    let text = "[registration]\nclientDocumentsAdvertised = true\n";
    let warnings = read(text, &[], &[]).unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("clientDocumentsAdvertised: is true although"),
        "{warnings:?}"
    );
    let listed = "clientDocuments = \"listed\"\nclientDocumentAllowList = [\"*.a.example\"]\n";
    let registration = read(&format!("[registration]\n{listed}"), &[], &[])
        .unwrap()
        .live
        .registration;
    assert_eq!(registration.client_documents, ClientDocuments::Listed);
}
