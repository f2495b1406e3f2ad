//! `uri::parse(text)`: returns scheme, host, port, path and query as a map.

use rhai::{Dynamic, ImmutableString, Map};
use url::Url;

use crate::script::{failure, modules::Functions, modules::HostFunction, modules::function};

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[function(
    "uri",
    "parse(text: string) -> map",
    "Returns `#{ scheme, host, port, path, query }` of an absolute URI; an absent part is `()`. Fails when the text is not an absolute URI.",
    r#"uri::parse("https://a.example/b").host == "a.example""#,
)];

/// Parses an absolute URI.
pub(super) fn absolute(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("not an absolute URI: {error}"))
}

pub(super) fn module() -> Functions {
    let mut module = Functions::default();
    module.add1("parse", |_, text: ImmutableString| {
        let url = absolute(&text).map_err(failure)?;
        let optional =
            |value: Option<&str>| value.map_or(Dynamic::UNIT, |text| text.to_owned().into());
        Ok(Map::from([
            ("scheme".into(), url.scheme().to_owned().into()),
            ("host".into(), optional(url.host_str())),
            (
                "port".into(),
                url.port_or_known_default()
                    .map_or(Dynamic::UNIT, |port| i64::from(port).into()),
            ),
            ("path".into(), url.path().to_owned().into()),
            ("query".into(), optional(url.query())),
        ]))
    });
    module
}
