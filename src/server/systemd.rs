//! Communication with systemd: the sockets that it opened for this process, and notifications about the
//! state of the server.
//!
//! Nothing here has an effect unless a service manager started the process.

use std::net::TcpListener;

/// Returns the sockets that the service manager opened for this process (`LISTEN_FDS`), in the order of its
/// socket unit. They can be taken only once. The environment is changed, so call this only while the
/// process has a single thread.
///
/// # Errors
/// When one of them does not listen on TCP.
pub(crate) fn sockets() -> std::io::Result<Vec<TcpListener>> {
    let mut passed = listenfd::ListenFd::from_env();
    let taken = (0..passed.len()).map(|at| passed.take_tcp_listener(at));
    taken.filter_map(Result::transpose).collect()
}

/// A state that is reported to the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerState {
    /// Requests are answered.
    Ready,
    /// The reloadable files are being read again; [`ServerState::Ready`] follows.
    Reloading,
    /// No more requests are accepted.
    Stopping,
}

/// Notifies the service manager (`NOTIFY_SOCKET`) of the state of the server.
#[cfg(unix)]
pub(crate) fn tell(state: ServerState) {
    use sd_notify::NotifyState;
    let told = match state {
        ServerState::Ready => send(&[NotifyState::Ready]),
        ServerState::Stopping => send(&[NotifyState::Stopping]),
        // The time distinguishes an answer to this signal from an answer to an earlier one.
        ServerState::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|now| send(&[NotifyState::Reloading, now]))
        }
    };
    if let Err(error) = told {
        tracing::warn!(%error, ?state, "notifying the service manager failed");
    }
}

/// Sends `states` to the socket that `NOTIFY_SOCKET` names. A name that begins with `@` is not in the file
/// system (some container managers use such names). The crate does not support these names.
#[cfg(unix)]
fn send(states: &[sd_notify::NotifyState<'_>]) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixDatagram};
        let name = std::env::var("NOTIFY_SOCKET").unwrap_or_default();
        if let Some(name) = name.strip_prefix('@') {
            let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
            return socket.send(lines.join("\n").as_bytes()).map(drop);
        }
    }
    sd_notify::notify(states)
}

/// There is no service manager to notify.
#[cfg(not(unix))]
pub(crate) fn tell(_state: ServerState) {}
