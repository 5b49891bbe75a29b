//! The API on `[::1]` too, where `cargo lambda invoke` looks for it.
//!
//! `cargo lambda watch` listens on one address. The one that holds both families holds every network too.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener as StdListener};
use std::thread;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Hands connections to `[::1]` on to `127.0.0.1`, until it is dropped.
#[derive(Debug)]
pub(crate) struct Forwarder {
    /// Held, not used: dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

/// Takes the port on `[::1]`; `None` where this machine has no IPv6.
pub(crate) fn listen(port: u16) -> io::Result<Option<StdListener>> {
    match StdListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(None),
    }
}

impl Forwarder {
    pub(crate) fn start(listener: StdListener, port: u16) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = forward(listener, port) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { _stop: stop })
    }
}

async fn forward(listener: StdListener, port: u16) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let Ok((mut from, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: no reason to end, nor to spin.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        tokio::spawn(async move {
            let mut to = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            from.set_nodelay(true)?;
            to.set_nodelay(true)?;
            copy_bidirectional(&mut from, &mut to).await
        });
    }
}
