//! A transaction pooler as small as one can be: sessions log in on servers of their own, which then go into one pool,
//! and each transaction runs on whichever was put back last.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Pool = Arc<Mutex<Vec<TcpStream>>>;

/// Starts a pooler before the server at `server`; gives its port.
pub async fn start(server: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let pool = Pool::default();
        while let Ok((client, _)) = listener.accept().await {
            // A client that goes away ends its task with an error: as it should.
            tokio::spawn(serve(client, server, pool.clone()));
        }
    });
    port
}

async fn serve(mut client: TcpStream, server: u16, pool: Pool) -> std::io::Result<()> {
    let backend = log_in(&mut client, server).await?;
    pool.lock().unwrap().push(backend);
    let mut held = None;
    let mut request = Vec::new();
    loop {
        let frame = read_frame(&mut client).await?;
        request.extend_from_slice(&frame);
        // Query and Sync are answered up to a ReadyForQuery; what comes before a Sync waits for it.
        if matches!(frame[0], b'Q' | b'S') {
            let mut backend = held.take().or_else(|| pool.lock().unwrap().pop()).unwrap();
            backend.write_all(&std::mem::take(&mut request)).await?;
            let idle = relay(&mut backend, &mut client).await?;
            if idle { pool.lock().unwrap().push(backend) } else { held = Some(backend) }
        }
    }
}

/// Passes the start-up packet and the login through.
async fn log_in(client: &mut TcpStream, server: u16) -> std::io::Result<TcpStream> {
    let mut backend = TcpStream::connect(("127.0.0.1", server)).await?;
    let mut length = client.read_u32().await?;
    let mut packet = vec![0; length as usize - 4];
    client.read_exact(&mut packet).await?;
    if length == 8 {
        // SSLRequest: it has no TLS.
        client.write_all(b"N").await?;
        length = client.read_u32().await?;
        packet.resize(length as usize - 4, 0);
        client.read_exact(&mut packet).await?;
    }
    backend.write_u32(length).await?;
    backend.write_all(&packet).await?;
    loop {
        let frame = read_frame(&mut backend).await?;
        client.write_all(&frame).await?;
        match (frame[0], frame.get(8)) {
            (b'Z', _) => return Ok(backend),
            // AuthenticationSASL and AuthenticationSASLContinue want an answer.
            (b'R', Some(10 | 11)) => backend.write_all(&read_frame(client).await?).await?,
            _ => {}
        }
    }
}

/// Passes everything up to `ReadyForQuery`; whether the transaction is over.
async fn relay(backend: &mut TcpStream, client: &mut TcpStream) -> std::io::Result<bool> {
    loop {
        let frame = read_frame(backend).await?;
        client.write_all(&frame).await?;
        if frame[0] == b'Z' {
            return Ok(frame[5] == b'I');
        }
    }
}

async fn read_frame(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 5];
    from.read_exact(&mut frame).await?;
    let length = u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]]) as usize;
    frame.resize(1 + length, 0);
    from.read_exact(&mut frame[5..]).await?;
    Ok(frame)
}
