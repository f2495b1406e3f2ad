//! Starts servers on one PostgreSQL database, in a separate schema.

use std::sync::atomic::{AtomicUsize, Ordering};

use registrar::server::Server;
use tempfile::TempDir;

use super::product;

/// The number of schemas created by this run.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// Starts `count` servers on one database. Returns `None` if `REGISTRAR_TEST_POSTGRES` is not set.
pub(crate) async fn products(count: usize) -> Option<Vec<(Server, TempDir)>> {
    let Ok(database) = std::env::var("REGISTRAR_TEST_POSTGRES") else {
        println!("PostgreSQL is not measured: REGISTRAR_TEST_POSTGRES is not set");
        return None;
    };
    let schema = format!(
        "bench{}_{}",
        std::process::id(),
        MADE.fetch_add(1, Ordering::Relaxed)
    );
    let (client, connection) = tokio_postgres::connect(&database, tokio_postgres::NoTls)
        .await
        .expect("the database");
    let connection = tokio::spawn(connection);
    client
        .batch_execute(&format!("CREATE SCHEMA {schema}"))
        .await
        .expect("a schema");
    drop(client);
    connection.await.expect("a task").expect("a connection");
    let url = format!("{database}?options=-csearch_path%3D{schema}");
    let mut key_file = None;
    let mut products = Vec::with_capacity(count);
    for _ in 0..count {
        let change = |configuration: &mut registrar::config::Configuration| {
            let settings = &mut configuration.settings;
            let own = settings.scripts.directory.with_file_name("registrar.key");
            settings.store.url = url.as_str().into();
            settings.store.key_file = Some(key_file.get_or_insert(own).clone());
        };
        products.push(product(0, change).await);
    }
    Some(products)
}
