//! What systemd and we tell each other: sockets that it opened for us, and how we are.
//!
//! All of it does nothing where no service manager started the process.

use std::net::TcpListener;

/// The sockets that the service manager opened for this process (`LISTEN_FDS`), in the order of
/// its socket unit. They can be had once; the environment is changed, so only while the process
/// has one thread.
///
/// # Errors
/// When one of them does not listen on TCP.
pub fn sockets() -> std::io::Result<Vec<TcpListener>> {
    let mut passed = listenfd::ListenFd::from_env();
    let taken = (0..passed.len()).map(|at| passed.take_tcp_listener(at));
    taken.filter_map(Result::transpose).collect()
}

/// What the service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Requests are answered.
    Ready,
    /// Everything that can change is read again; [`State::Ready`] follows.
    Reloading,
    /// No more requests are taken.
    Stopping,
}

/// Tells the service manager (`NOTIFY_SOCKET`) how the server is.
#[cfg(unix)]
pub fn tell(state: State) {
    use sd_notify::NotifyState;
    let told = match state {
        State::Ready => send(&[NotifyState::Ready]),
        State::Stopping => send(&[NotifyState::Stopping]),
        // The time tells an answer to this signal from one to a signal before it.
        State::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|now| send(&[NotifyState::Reloading, now]))
        }
    };
    if let Err(error) = told {
        tracing::warn!(%error, ?state, "the service manager was not told");
    }
}

/// Sends `states` to where `NOTIFY_SOCKET` says. A name that begins with `@` is none of the file
/// system (as some container managers use); those the crate does not know.
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

/// There is nobody to tell.
#[cfg(not(unix))]
pub fn tell(_state: State) {}
