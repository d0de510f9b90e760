//! Logins one after another, many at the same moment, and connections that only stay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Res;
use crate::client::{Conn, Endpoint, LoginFrames};
use crate::load::on_threads;

/// Clients that log in one after another, each.
pub const CLIENTS: usize = 4;

/// `count` times: connect, log in, close. Gives the seconds that took.
pub fn log_in_repeatedly(endpoint: Endpoint, count: usize) -> Res<f64> {
    let frames = LoginFrames::new();
    repeatedly(count, || {
        let mut conn = Conn::dial(endpoint)?;
        conn.log_in(&frames)?;
        conn.close()
    })
}

/// `count` times: connect, TLS handshake, close. Gives the seconds that took.
pub fn shake_hands_repeatedly(endpoint: Endpoint, count: usize) -> Res<f64> {
    repeatedly(count, || Conn::dial(endpoint)?.into_tls()?.close_and_wait())
}

/// `count` times in all, by all clients at once. Gives the seconds that took.
pub fn repeatedly(count: usize, once: impl Fn() -> Res<()> + Sync) -> Res<f64> {
    let start = Instant::now();
    on_threads(&mut [(); CLIENTS], |()| {
        for _ in 0..count / CLIENTS {
            once()?;
        }
        Ok(0)
    })?;
    Ok(start.elapsed().as_secs_f64())
}

/// Opens `count` connections that stay; with `ask`, each sends one Metadata request.
pub fn stay(endpoint: Endpoint, count: usize, ask: bool) -> Res<Vec<Conn>> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut conn = Conn::open(endpoint)?;
        if ask {
            conn.metadata(&[])?;
        }
        held.push(conn);
    }
    Ok(held)
}

/// That connections which stayed still work.
pub fn all_live(held: &mut [Conn]) -> Res<()> {
    held.iter_mut().try_for_each(|conn| conn.metadata(&[]).map(drop))
}

/// `count` clients connect and log in at the same moment and stay until the last one is in. Gives the seconds until then,
/// or how many were not in when `limit` was over.
pub fn storm(addr: SocketAddr, count: usize, limit: Duration) -> Res<Result<f64, usize>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let frames = Arc::new(LoginFrames::new());
        let start = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..count {
            clients.spawn(tokio::time::timeout(limit, log_in(addr, frames.clone())));
        }
        let mut held = Vec::with_capacity(count);
        let mut why = None;
        while let Some(client) = clients.join_next().await {
            match client? {
                Ok(Ok(stream)) => held.push(stream),
                Ok(Err(error)) => why = Some(error.to_string()),
                Err(_) => why = Some("no answer in time".into()),
            }
        }
        if let Some(why) = why {
            eprintln!("bench: of {count} clients at {addr}, {} were not in after {limit:?}: {why}", count - held.len());
            return Ok(Err(count - held.len()));
        }
        Ok(Ok(start.elapsed().as_secs_f64()))
    })
}

async fn log_in(addr: SocketAddr, frames: Arc<LoginFrames>) -> Res<TcpStream> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 2048];
    for (frame, check) in frames.steps() {
        stream.write_all(frame).await?;
        let len = stream.read_i32().await? as usize;
        let answer = answer.get_mut(..len).ok_or("an answer that is too long")?;
        stream.read_exact(answer).await?;
        check(answer.get(4..).unwrap_or_default())?;
    }
    Ok(stream)
}
