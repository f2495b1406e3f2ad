use serde_json::json;

use super::check;

#[tokio::test]
async fn the_host_modules_work_as_documented() {
    let truths = [
        r#"crypto::sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#,
        r#"crypto::hmac_sha256("key", "abc") == "9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab""#,
        r#"crypto::random_token(32).len() == 43 && crypto::equals("a", "a") && !crypto::equals("a", "b")"#,
        r#"base64::encode("hi?>") == "aGk/Pg==" && base64::decode("aGk/Pg==") == "hi?>" && base64::decode("aGk/Pg") == "hi?>""#,
        r#"base64::encode_url("hi?>") == "aGk_Pg" && base64::decode_url("aGk_Pg") == "hi?>""#,
        r#"json::parse("{\"a\":[1,null]}").a[0] == 1 && json::stringify(#{ a: [1, ()] }) == "{\"a\":[1,null]}""#,
        r#"time::now() == 1767225600 && time::format(1767225600) == "2026-01-01T00:00:00Z""#,
        r#"time::parse("2026-01-01T01:00:00+01:00") == time::now()"#,
        r#"uri::parse("https://a.example:8443/b?c=d").host == "a.example" && uri::parse("https://a.example/").port == 443"#,
        r#"net::in_cidr("10.1.2.3", "10.0.0.0/8") && !net::in_cidr("192.0.2.1", "10.0.0.0/8")"#,
        r#"context.httpRequest.headers["x-a"] == "1, 2" && context.getIpAddress() == "192.0.2.1""#,
        r#"context.softwareStatement.claims.iss == "https://iss.example.org" && context.trustLevel == "open""#,
        r#"context.initialAccessTokenId == "0a1b" && context.getInitialAccessTokenNote() == "for the tests""#,
        r"context.time == 1767225599 && context.stored == ()",
        r"context.shared.a = [1]; context.shared.a.push(2); context.shared.a == [1, 2] && context.shared.b == ()",
        r"try { context.shared.a = || 1; return false; } catch { return true; }",
        r#"let s = ""; s.pad(60000, 'a'); try { for i in 0..9 { context.shared[`a${i}`] = s; } } catch (e) { return e.contains("resultBytes"); } false"#,
        r#"try { text::percent_decode("%4"); return false; } catch { return text::percent_decode("%41%c3%bc") == "Aü"; }"#,
        r#"try { text::percent_decode("%ff"); return false; } catch { return true; }"#,
        r#"let s = ""; s.pad(9000, 'a'); try { text::replace(s, "a", "1234567890"); return false; } catch (e) { return e.contains("stringBytes"); }"#,
        r#"text::is_printable("Café Ünïcode 東京 №1 — “ok”") && !text::is_printable("a\u200bb") && !text::is_printable("a\u3164") && !text::is_printable("a\nb")"#,
        r#"text::is_single_script("東京 とうきょう") && !text::is_single_script("Ωmega tool")"#,
        r#"text::skeleton("PayPaI") == text::skeleton("PayPal")"#,
        r#"context.configurationAttributes.deniedVendors == ["acme"] && context.dcr == ()"#,
        r#"try { json::parse("{"); return false; } catch { return true; }"#,
        r"try { crypto::random_token(1); return false; } catch { return true; }",
        r#"try { base64::decode("/w=="); return false; } catch { return true; }"#,
        r#"try { net::in_cidr("x", "10.0.0.0/8"); return false; } catch { return true; }"#,
        r#"try { time::parse("yesterday"); return false; } catch { return true; }"#,
        r#"try { uri::parse("/relative"); return false; } catch { return true; }"#,
    ];
    for truth in truths {
        check(truth, json!({}), Ok(json!({}))).await;
    }
}
