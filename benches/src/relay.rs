//! The bare relay: client → A → B → C over loopback TCP. Each hop writes what it gets to a file
//! and passes it on; there is no protocol and no checksum. What it keeps of the product is what
//! costs time by nature: three files, three syncs, and a window of unacknowledged bytes.
//!
//! The stream is raw bytes one way and, the other way, little-endian `u64`s: how many bytes from
//! the start are stored on this hop and on all behind it.

use crate::policy::Policy;
use crate::window::Progress;
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Bytes moved by one system call.
pub const BUFFER_BYTES: usize = 256 << 10;

/// A buffer, and how many of its bytes count.
type Piece = (Vec<u8>, usize);

/// Arguments of one hop.
#[derive(Debug, clap::Args)]
pub struct HopOptions {
    /// The file that it writes.
    #[arg(long)]
    file: PathBuf,
    /// Where to pass the bytes on; the last hop has none.
    #[arg(long)]
    next: Option<String>,
    /// When to acknowledge.
    #[arg(long)]
    policy: Policy,
    /// Bytes per fdatasync at the least (all that waits is taken together, as the product does).
    #[arg(long)]
    sync_bytes: u64,
}

/// Arguments of the relay's client.
#[derive(Debug, clap::Args)]
pub struct ClientOptions {
    /// The file to send.
    #[arg(long)]
    file: PathBuf,
    /// The first hop.
    #[arg(long)]
    to: String,
    /// Unacknowledged bytes at the most.
    #[arg(long)]
    window_bytes: u64,
}

/// One hop: serves a single transfer, says on stdout how often it synced, and stays until it is
/// stopped, so that its account can be read in full.
pub fn hop(options: &HopOptions) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let next = options.next.as_ref().map(|to| connect(to)).transpose()?;
    let (mut upstream, _) = listener.accept()?;
    upstream.set_nodelay(true)?;

    let here = Arc::new(Progress::default());
    let behind = Arc::new(Progress::default());
    let (queue, queued) = sync_channel(1024);
    let (idle, written) = channel();
    let writer = {
        let file =
            File::create(&options.file).with_context(|| format!("{}", options.file.display()))?;
        let (policy, sync_bytes, here) = (options.policy, options.sync_bytes, Arc::clone(&here));
        thread::spawn(move || store(file, &queued, &idle, policy, sync_bytes, &here))
    };
    let acknowledger = {
        let (here, back) = (Arc::clone(&here), upstream.try_clone()?);
        let behind = next.is_some().then(|| Arc::clone(&behind));
        thread::spawn(move || acknowledge(back, &here, behind.as_deref()))
    };
    let listener = next.as_ref().map(TcpStream::try_clone).transpose()?.map(|stream| {
        let behind = Arc::clone(&behind);
        thread::spawn(move || take_acknowledgements(stream, &behind))
    });

    pass_on(&mut upstream, next.as_ref(), &queue, &written)?;
    drop(queue);
    let syncs = writer.join().expect("the writer does not panic")?;
    here.give_up();
    if let Some(listener) = listener {
        listener.join().expect("the listener does not panic")?;
    }
    behind.give_up();
    acknowledger.join().expect("the acknowledger does not panic")?;
    println!("{syncs}");
    stay()
}

/// Waits to be stopped.
pub fn stay() -> ! {
    loop {
        thread::park();
    }
}

/// The client: sends the file within its window and waits until all of it is acknowledged.
pub fn client(options: &ClientOptions) -> Result<()> {
    let mut file =
        File::open(&options.file).with_context(|| format!("{}", options.file.display()))?;
    let mut stream = connect(&options.to)?;
    let acked = Arc::new(Progress::default());
    let listener = {
        let (stream, acked) = (stream.try_clone()?, Arc::clone(&acked));
        thread::spawn(move || take_acknowledgements(stream, &acked))
    };
    let mut sent = 0;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        sent += n as u64;
        ensure!(acked.wait_for(sent.saturating_sub(options.window_bytes)), "the relay broke off");
        stream.write_all(&buffer[..n])?;
    }
    stream.shutdown(Shutdown::Write)?;
    ensure!(acked.wait_for(sent), "the relay broke off before it acknowledged everything");
    listener.join().expect("the listener does not panic")
}

fn connect(to: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(to).with_context(|| to.to_owned())?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads, passes on, and hands the same bytes to the writer, in buffers that the writer gives
/// back: fresh ones would be cleared first, and perhaps faulted in page by page.
fn pass_on(
    from: &mut TcpStream,
    next: Option<&TcpStream>,
    queue: &SyncSender<Piece>,
    written: &Receiver<Vec<u8>>,
) -> Result<()> {
    loop {
        let mut buffer = written.try_recv().unwrap_or_else(|_| vec![0; BUFFER_BYTES]);
        let n = from.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        if let Some(mut next) = next {
            next.write_all(&buffer[..n])?;
        }
        if queue.send((buffer, n)).is_err() {
            bail!("the writer gave up");
        }
    }
    if let Some(next) = next {
        next.shutdown(Shutdown::Write)?;
    }
    Ok(())
}

/// Writes what comes; syncs when a unit is there and nothing more is waiting, or at the end.
fn store(
    mut file: File,
    queued: &Receiver<Piece>,
    idle: &Sender<Vec<u8>>,
    policy: Policy,
    sync_bytes: u64,
    here: &Progress,
) -> Result<u64> {
    let (mut written, mut stored, mut syncs) = (0_u64, 0_u64, 0);
    loop {
        let full = policy == Policy::Durable && written - stored >= sync_bytes;
        let next = if full { queued.try_recv().ok() } else { queued.recv().ok() };
        if let Some((buffer, n)) = next {
            file.write_all(&buffer[..n])?;
            written += n as u64;
            // Whoever reads may have ended, and wants no buffer back.
            let _ = idle.send(buffer);
            if policy == Policy::Durable {
                continue;
            }
        } else if written > stored {
            file.sync_data()?;
            syncs += 1;
        } else {
            return Ok(syncs);
        }
        stored = written;
        here.raise(stored);
    }
}

/// Tells upstream what is stored here and behind, whenever that grows.
fn acknowledge(mut upstream: TcpStream, here: &Progress, behind: Option<&Progress>) -> Result<()> {
    let mut told = 0;
    while let Some(stored) = here.wait_above(told) {
        told = match behind {
            Some(behind) => match behind.wait_above(told) {
                Some(bytes) => bytes.min(stored),
                None => break,
            },
            None => stored,
        };
        upstream.write_all(&told.to_le_bytes())?;
    }
    upstream.shutdown(Shutdown::Write)?;
    Ok(())
}

fn take_acknowledgements(mut stream: TcpStream, progress: &Progress) -> Result<()> {
    let mut number = [0; 8];
    while stream.read_exact(&mut number).is_ok() {
        progress.raise(u64::from_le_bytes(number));
    }
    progress.give_up();
    Ok(())
}
