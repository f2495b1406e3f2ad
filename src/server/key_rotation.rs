//! Follows the key file while the server runs: a new key in it seals from the moment on at which all servers of the store
//! have it, and what the previous key has sealed is sealed anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::random;
use crate::events::HeldLease;
use crate::service::{Service, reloads::Reloadable};
use crate::store::{ObservedRotation, Pass, RotationStage, RotationStep, StoreError};

/// How often the key file is read.
const LOOK: Duration = Duration::from_secs(2);
/// How often everything is looked at again while the key file has a previous key: a server that was suspended may have
/// sealed something with it.
const AGAIN: Duration = Duration::from_hours(1);
/// The name of the lease of the server that seals anew.
const LEASE: &str = "sealing";
/// Steps of a rotation that one look may do.
const STEPS: usize = 4;

/// Follows the key file until `stop` is cancelled.
pub(crate) async fn follow(service: Arc<Service>, stop: CancellationToken) {
    let work = async {
        let following = follow_file(&service);
        let sealing = seal_anew(&service, &stop);
        tokio::join!(following, sealing)
    };
    tokio::select! {
        () = stop.cancelled() => (),
        _ = work => (),
    }
}

async fn follow_file(service: &Service) {
    let mut observed = ObservedRotation::by(random::client_id());
    let mut trouble: Option<String> = None;
    loop {
        let found = look(service, &mut observed).await.err();
        if found != trouble {
            if let Some(cause) = &found {
                tracing::error!(cause, "key file reload failed; keeping the previous keys");
            } else {
                tracing::info!("key file reloaded");
            }
            service.reloads.note(Reloadable::Key, found.clone());
            trouble = found;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Reads the key file and does what is due. Fails with what an operator must do.
async fn look(service: &Service, observed: &mut ObservedRotation) -> Result<(), String> {
    for _ in 0..STEPS {
        let step = service
            .store
            .key_rotations
            .step(observed, service.clock.now())
            .await;
        match step.map_err(|error| error.to_string())? {
            RotationStep::None => return Ok(()),
            RotationStep::Again => {}
            RotationStep::Announced(key) => {
                tracing::info!(key, "the key file has a new key; announced to all servers");
            }
            RotationStep::Missing(key) => {
                return Err(format!(
                    "another server has the new key {key}, and this one lacks it; copy the key file to this server"
                ));
            }
            RotationStep::Rival(announced, own) => {
                return Err(format!(
                    "another server has announced the new key {announced}, and this one has the new key {own}; keep one \
                     of them: copy the key file of one server to all others"
                ));
            }
            RotationStep::Withdrawn(key) => {
                tracing::info!(
                    key,
                    "no server has the new key any more; its announcement is withdrawn"
                );
            }
            RotationStep::InForce(key) => {
                tracing::info!(key, "secrets are sealed with the new key from now on");
            }
            RotationStep::Finished(key) => {
                tracing::info!(key, "the previous key is no longer in the key file");
            }
        }
    }
    Ok(())
}

/// Seals anew whenever a key has been replaced. One server works at a time.
async fn seal_anew(service: &Service, stop: &CancellationToken) {
    let mut again = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        // Most of the time there is one key, and the store need not be asked.
        if service.store.sealing_keys.previous_ids().is_empty() {
            continue;
        }
        let rotation = match service.store.key_rotations.last().await {
            Ok(Some(rotation)) => rotation,
            Ok(None) => continue,
            Err(error) => {
                tracing::error!(%error, "cannot read how far the rotation of the key is");
                continue;
            }
        };
        let is_current = service.store.sealing_keys.current_id() == rotation.key;
        let is_due = match rotation.stage {
            RotationStage::Announced => false,
            RotationStage::InForce => true,
            RotationStage::Complete => Instant::now() >= again,
        };
        if !(is_due && is_current) {
            continue;
        }
        if let Err(error) = seal_all(service, stop).await {
            tracing::error!(%error, "cannot seal secrets with the new key; trying again");
        }
        again = Instant::now() + AGAIN;
    }
}

/// Seals everything anew, in as many passes as it takes until one finds nothing, or another server takes over.
async fn seal_all(service: &Service, stop: &CancellationToken) -> Result<(), StoreError> {
    let rotations = &service.store.key_rotations;
    let Some(mut lease) = HeldLease::take(&service.store, LEASE, stop).await else {
        return Ok(());
    };
    loop {
        let mut pass = Pass::default();
        while !pass.is_over() {
            if !lease.keep().await? {
                return Ok(());
            }
            rotations.seal_page(&mut pass).await?;
            tokio::task::yield_now().await;
        }
        if rotations.sealed(&pass, service.clock.now()).await? {
            report(&pass);
        }
        if pass.found_nothing() {
            break;
        }
        tracing::info!(sealed = pass.sealed, "secrets were sealed with the new key");
    }
    lease.release().await;
    Ok(())
}

/// Reports the last pass of a rotation.
fn report(pass: &Pass) {
    if pass.unopened > 0 {
        tracing::warn!(
            records = pass.unopened,
            "some secrets cannot be opened with any key: they were sealed with a key that is lost"
        );
    }
    tracing::info!(
        "no secret is sealed with the previous key any more; remove it from the key file of every server: \
         registrar key finish"
    );
}
