//! Measures `POST`: the floor, with scripts, on fjall, with statements, while nonces are issued, on PostgreSQL.

use super::driver::{self, Load, Outcome, Request, Size};
use super::{BODY, challenges, floor, line, postgres, product, statements};
use tempfile::TempDir;

/// Prints the lines of all registrations.
pub(crate) async fn measure(size: Size) {
    let folder = TempDir::new().expect("a temporary folder");
    let floor = floor::start(folder.path()).await;
    let floor = driver::run(Load::of(floor, Request::post("/register", BODY), size)).await;
    line("floor: durable POST", &floor, &floor);
    for (name, scripts) in [
        ("product: POST, no script", 0),
        ("product: POST, one script", 1),
        ("product: POST, five scripts", 5),
    ] {
        let (product, _folder) = product(scripts, |_| {}).await;
        let load = Load::of(product.address(), Request::post("/register", BODY), size);
        line(name, &driver::run(load).await, &floor);
        product.stop().await;
    }
    on_fjall(&floor, size).await;
    with_statements(size).await;
    beside_challenges(&floor, size).await;
    on_postgres(&floor, size).await;
}

/// Measures POST with a statement, compared with POST of the same client without a statement. After each
/// response to the latter, OpenSSL alone verifies a signature on the same threads, at the same load.
async fn with_statements(size: Size) {
    for algorithm in statements::ALGORITHMS {
        let case = statements::Case::new(algorithm, BODY);
        let mut outcomes = Vec::new();
        for (body, beside) in [
            (&case.plain, Some(statements::bare_verification(algorithm))),
            (&case.body, None),
        ] {
            let (product, _folder) =
                product(0, |configuration| case.configure(configuration)).await;
            let load = Load::of(product.address(), Request::post("/register", body), size);
            outcomes.push(driver::run(Load { beside, ..load }).await);
            product.stop().await;
        }
        let [bare, whole] = &outcomes[..] else {
            continue;
        };
        line(&format!("product: POST and one {algorithm}"), bare, bare);
        line(
            &format!("product: POST, {algorithm} statement"),
            whole,
            bare,
        );
        let ratio = whole.processor().as_secs_f64() / bare.processor().as_secs_f64();
        println!("{:<38}{ratio:>48.2} x (POST + one verification)", "");
    }
}

/// Measures POST while a quarter as many connections request nonces.
async fn beside_challenges(floor: &Outcome, size: Size) {
    let (product, _folder) = product(0, challenges::configure).await;
    let registrations = Load::of(product.address(), Request::post("/register", BODY), size);
    let fewer = Size {
        connections: size.connections.div_ceil(4),
        ..size
    };
    let nonces = Load::of(product.address(), Request::post("/challenge", ""), fewer);
    let (registered, made) = tokio::join!(driver::run(registrations), driver::run(nonces));
    line("product: POST, while nonces are issued", &registered, floor);
    line("product: nonces, at the same time", &made, floor);
    product.stop().await;
}

async fn on_fjall(floor: &Outcome, size: Size) {
    let (product, _folder) = product(0, |configuration| {
        let settings = &mut configuration.settings;
        let data = settings.scripts.directory.with_file_name("data");
        settings.store.url = format!("fjall:{}", data.display()).into();
    })
    .await;
    let load = Load::of(product.address(), Request::post("/register", BODY), size);
    line("product: POST, fjall", &driver::run(load).await, floor);
    product.stop().await;
}

async fn on_postgres(floor: &Outcome, size: Size) {
    for (name, servers) in [
        ("product: POST, PostgreSQL", 1),
        ("product: POST, PostgreSQL, two servers", 2),
    ] {
        let Some(products) = postgres::products(servers).await else {
            break;
        };
        let addresses = products
            .iter()
            .map(|(product, _)| product.address())
            .collect();
        let requests = vec![Request::post("/register", BODY)];
        let outcome = driver::run(Load {
            addresses,
            requests,
            size,
            beside: None,
        })
        .await;
        line(name, &outcome, floor);
        for (product, _folder) in products {
            product.stop().await;
        }
    }
}
