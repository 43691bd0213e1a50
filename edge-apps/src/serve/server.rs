//! A thread that answers, and its limits.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::guard::Guard;
use super::routes;
use super::state::State;

/// The most connections at a time beside those of viewers.
const MOST_CONNECTIONS: usize = 64;
/// The longest head of a request, in bytes.
const MOST_HEAD: usize = 16 << 10;
/// How long a request's head may take, and how long a connection may last, unless a viewer's.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
const CONNECTION_FOR: Duration = Duration::from_secs(20);
/// The pause after the system had no connection to give.
const PAUSE: Duration = Duration::from_millis(100);
/// How long what is under way may take at the end.
const END_WITHIN: Duration = Duration::from_millis(300);
/// Threads that compress single pictures.
const THREADS: usize = 2;

/// Starts the thread.
///
/// # Errors
/// When there is none.
pub fn start(listener: TcpListener, guard: Guard, state: Arc<State>) -> io::Result<JoinHandle<()>> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()?;
    let entered = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    drop(entered);
    std::thread::Builder::new().name("page".to_owned()).spawn(move || {
        let router = routes::router(Arc::clone(&state), Arc::new(guard));
        runtime.block_on(async {
            tokio::select! {
                () = state.stopped() => {}
                () = accept(&listener, router) => {}
            }
            // viewers are told that it is over
            let empty = async {
                while state.viewers() > 0 {
                    tokio::time::sleep(END_WITHIN / 10).await;
                }
            };
            let _ = tokio::time::timeout(END_WITHIN, empty).await;
        });
        runtime.shutdown_timeout(END_WITHIN);
    })
}

async fn accept(listener: &tokio::net::TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // whoever comes when all places are taken is let go at once, so that those who hold them cannot hold up more
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let router = router.clone();
        tokio::spawn(async move {
            // a connection that is cut off has nobody to tell
            let _ = tokio::time::timeout(CONNECTION_FOR, answer(stream, router)).await;
            drop(place);
        });
    }
}

async fn answer(stream: TcpStream, router: Router) -> anyhow::Result<()> {
    // a frame is sent as soon as it is there
    stream.set_nodelay(true)?;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    Ok(connection.with_upgrades().await?)
}
