//! Those who look. A viewer is sent a frame when it has said that it has seen one: a slow one sees fewer, and none of them late.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::extract::ws::{Message, WebSocket};
use tokio::time::timeout;

use super::message;
use super::state::{Seat, State};

/// The longest word of a viewer, in bytes.
pub const MOST_SAID: usize = 256;
/// How many messages may be on their way to a viewer: one that it looks at, and one for it to look at next.
const MOST_ON_WAY: u32 = 2;
/// How long a viewer may take over a message.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is said how things stand where no frame comes.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Shows a viewer a source's frames, until it leaves, is too slow, or all is to stop.
pub async fn serve(mut socket: WebSocket, state: Arc<State>, source: usize, seat: Seat) {
    if let Err(error) = show(&mut socket, &state, source).await {
        log::debug!("a viewer left: {error:#}");
    }
    drop(seat);
    // whoever is there still is told that it is over
    let _ = timeout(STATUS_EVERY, socket.send(Message::Close(None))).await;
}

async fn show(socket: &mut WebSocket, state: &Arc<State>, source: usize) -> Result<()> {
    let mut pictures = state.pictures(source);
    let _looking = state.live.look(source);
    let mut on_way = 0;
    send(socket, Message::Binary(message::of_status(state, source)?)).await?;
    on_way += 1;
    loop {
        let is_free = on_way < MOST_ON_WAY;
        tokio::select! {
            () = state.stopped() => return Ok(()),
            said = socket.recv() => match said.context("it is gone")?? {
                Message::Text(_) => on_way = on_way.saturating_sub(1),
                Message::Close(_) => return Ok(()),
                Message::Binary(_) => bail!("it says what nobody understands"),
                Message::Ping(_) | Message::Pong(_) => {}
            },
            changed = pictures.changed(), if is_free => {
                changed?;
                let newest = pictures.borrow_and_update().clone();
                if let Some(painted) = newest {
                    send(socket, Message::Binary(painted.message.clone())).await?;
                    on_way += 1;
                }
            }
            () = tokio::time::sleep(STATUS_EVERY), if is_free => {
                send(socket, Message::Binary(message::of_status(state, source)?)).await?;
                on_way += 1;
            }
            () = tokio::time::sleep(PATIENCE), if !is_free => bail!("it has not seen what it was sent"),
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<()> {
    Ok(timeout(PATIENCE, socket.send(message)).await.context("it takes nothing")??)
}
