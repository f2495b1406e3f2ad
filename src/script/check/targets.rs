//! The servers that scripts call, as far as their URLs are written in the scripts.

use std::collections::BTreeMap;

use rhai::{ASTNode, Engine, Expr, FnCallExpr, OptimizationLevel, Stmt};

use crate::script::Texts;

/// A server that a script calls with `http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CalledHost {
    /// Its host name, and its port if it is not 443.
    pub(crate) host: String,
    /// The file with the first call.
    pub(crate) file: String,
    /// The line of that call.
    pub(crate) line: usize,
}

/// Returns the servers whose URL is the argument of a function of `http`: a text, the beginning of a text, or a variable
/// with one. Each is in it once. URLs that scripts compute otherwise are not known.
pub(in crate::script) fn called_hosts(engine: &mut Engine, texts: &Texts) -> Vec<CalledHost> {
    // The optimizer removes branches that it knows not to be taken.
    engine.set_optimization_level(OptimizationLevel::None);
    let mut found: Vec<CalledHost> = Vec::new();
    let libraries = texts.libraries.iter();
    let libraries = libraries.map(|(name, text)| (format!("{name}.rhai"), text));
    let scripts = texts.scripts.iter();
    let scripts = scripts.map(|(name, text)| (name.clone(), text));
    for (file, text) in scripts.chain(libraries) {
        for (host, line) in in_file(engine, text) {
            if !found.iter().any(|known| known.host == host) {
                let file = file.clone();
                found.push(CalledHost { host, file, line });
            }
        }
    }
    found
}

/// Returns the hosts in one file with the lines of their calls. A file that cannot be parsed has none.
fn in_file(engine: &Engine, text: &str) -> Vec<(String, usize)> {
    let Ok(ast) = engine.compile(text) else {
        return Vec::new();
    };
    let mut variables = BTreeMap::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Stmt(Stmt::Var(variable, ..))) = path.last()
            && let Expr::StringConstant(text, _) = &variable.1
        {
            variables.insert(variable.0.name.to_string(), text.to_string());
        }
        true
    });
    let mut found = Vec::new();
    ast.walk(&mut |path| {
        if let Some(
            ASTNode::Expr(Expr::FnCall(call, place)) | ASTNode::Stmt(Stmt::FnCall(call, place)),
        ) = path.last()
            && let Some(host) = target(call, &variables)
        {
            found.push((host, place.line().unwrap_or(0)));
        }
        true
    });
    found
}

/// Returns the host that `call` is for, if it is a call of `http`.
fn target(call: &FnCallExpr, variables: &BTreeMap<String, String>) -> Option<String> {
    if call.namespace.is_empty() || call.namespace.root() != "http" {
        return None;
    }
    host(call.args.first()?, variables)
}

/// Returns the host of the URL that begins with the value of `url`.
fn host(url: &Expr, variables: &BTreeMap<String, String>) -> Option<String> {
    match url {
        Expr::StringConstant(text, _) => host_in(text, true),
        Expr::Variable(variable, ..) => host_in(variables.get(variable.1.as_str())?, true),
        Expr::InterpolatedString(parts, _) => match parts.first()? {
            Expr::StringConstant(text, _) => host_in(text, false),
            first => host(first, variables),
        },
        Expr::Map(map, _) => {
            let (_, url) = map.0.iter().find(|(name, _)| name.as_str() == "url")?;
            host(url, variables)
        }
        Expr::FnCall(sum, _) if sum.name == "+" => match sum.args.first()? {
            Expr::StringConstant(text, _) => host_in(text, false),
            first => host(first, variables),
        },
        _ => None,
    }
}

/// Returns the host in the beginning of a URL. Where it is not the whole URL, the host must have its end.
fn host_in(url: &str, is_whole: bool) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let host = match rest.find(['/', '?', '#']) {
        Some(end) => rest.get(..end)?,
        None if is_whole => rest,
        None => return None,
    };
    let is_host = !host.is_empty() && !host.contains('@');
    is_host.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<(String, usize)> {
        let mut engine = Engine::new();
        engine.set_optimization_level(OptimizationLevel::None);
        in_file(&engine, text)
    }

    #[test]
    fn urls_in_calls_are_found_wherever_they_are_written() {
        let text = r#"
            const PARTNERS = "https://partners.example/v1";
            const OTHER = "https://never-called.example";
            fn createClient(context) {
                if false { http::get("https://a.example:8443/x?y"); }
                let url = "https://b.example";
                let answer = http::post(url, #{}, #{});
                http::request(#{ method: "GET", url: `https://c.example/${context.id}` });
                http::get(global::PARTNERS + "/x");
                let f = |id| http::get("https://d.example/" + id);
                http::get(PARTNERS);
                let claim = context.claims["https://claim.example/x"];
                f.call(claim);
                http::get(`https://${context.host}/`);
                http::get("https://" + context.host);
                http::get("https://e." + context.host + "/");
                http::get("http://f.example/");
                http::get(context.url);
            }
        "#;
        let found = hosts(text);
        let found: Vec<(&str, usize)> = found
            .iter()
            .map(|(host, line)| (host.as_str(), *line))
            .collect();
        let expected = [
            ("a.example:8443", 5),
            ("b.example", 7),
            ("c.example", 8),
            ("partners.example", 9),
            ("partners.example", 11),
            ("d.example", 10),
        ];
        for one in expected {
            assert!(found.contains(&one), "{one:?} is missing in {found:?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert_eq!(hosts("fn f( {"), []);
    }
}
