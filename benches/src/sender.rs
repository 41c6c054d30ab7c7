//! The bare file sender: a server reads a file and sends it over loopback TCP to a client that
//! throws the bytes away. No protocol, no checksum.

use crate::relay::{BUFFER_BYTES, stay};
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;

/// Arguments of the server.
#[derive(Debug, clap::Args)]
pub struct ServerOptions {
    /// The file to send.
    #[arg(long)]
    file: PathBuf,
}

/// Arguments of the client.
#[derive(Debug, clap::Args)]
pub struct ClientOptions {
    /// The server.
    #[arg(long)]
    from: String,
    /// How many bytes must come.
    #[arg(long)]
    bytes: u64,
}

/// Serves a single transfer, and stays until it is stopped.
pub fn serve(options: &ServerOptions) -> Result<()> {
    let mut file =
        File::open(&options.file).with_context(|| format!("{}", options.file.display()))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        stream.write_all(&buffer[..n])?;
    }
    stream.shutdown(Shutdown::Write)?;
    stay()
}

/// Receives everything, counts it, keeps nothing.
pub fn fetch(options: &ClientOptions) -> Result<()> {
    let mut stream = TcpStream::connect(&options.from).with_context(|| options.from.clone())?;
    let (mut received, mut buffer) = (0, vec![0; BUFFER_BYTES]);
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        received += n as u64;
    }
    ensure!(received == options.bytes, "{received} bytes came instead of {}", options.bytes);
    Ok(())
}
