//! `mount`: the cluster as a file system of this machine.

use crate::arguments::MountArguments;
use crate::failure::{Failure, Outcome};
use crate::session::connect_for;
use crate::signals::Signals;
use leasehold_client::Identity;
use leasehold_fuse::{MountOptions, Mounted};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::setsid;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Interval between checks for an unmount from outside.
const UNMOUNT_CHECK: Duration = Duration::from_millis(100);

/// What the process in the background says once it is mounted.
const READY: &[u8] = b"mounted\n";

/// The timeout of a `hard` mount: ten years, in practice none.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// Mounts in a process of its own that stays, and returns when it is mounted.
pub fn in_background(arguments: &MountArguments) -> Outcome {
    // What was typed wrongly is said before anything is started.
    options(arguments)?;
    let failed = |error| Failure::about("mount", error);
    let program = std::env::current_exe().map_err(failed)?;
    let arguments = crate::arguments::of_process(std::env::args_os());
    let mut process = Command::new(program)
        .args(arguments.iter().skip(1))
        .args(["--foreground", "--report-ready"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = [0; READY.len()];
    let mut stdout = process.stdout.take().expect("it is a pipe");
    if stdout.read_exact(&mut said).is_ok() && said == READY {
        return Ok(());
    }
    // It has said why on stderr.
    let _ = process.wait();
    Err(Failure::Reported)
}

/// `leasehold mount --foreground`.
pub async fn mount(arguments: &MountArguments) -> Outcome {
    let options = options(arguments)?;
    if arguments.report_ready {
        // A terminal that is closed must not unmount.
        let _ = setsid();
    }
    let mut signals = Signals::listen()?;
    let patience = options.soft.or(arguments.client.timeout).unwrap_or(FOR_EVER);
    let client = connect_for(&arguments.client, Some(patience)).await?;
    let client = client.as_caller(Identity::default());
    let at = arguments.at.display();
    let mounted = leasehold_fuse::mount(client, &arguments.at, &options)
        .map_err(|error| Failure::about(&at, format!("cannot be mounted: {error}")))?;
    if arguments.report_ready {
        leave_terminal().map_err(|error| Failure::about(&at, error))?;
    } else {
        crate::log::say(format_args!("leasehold: mounted at {at}; Ctrl-C unmounts"));
    }
    until_unmounted(mounted, &mut signals)
        .await
        .map_err(|error| Failure::about(&at, format!("cannot be unmounted: {error}")))
}

fn options(arguments: &MountArguments) -> Result<MountOptions, Failure> {
    // The superuser mounts for everybody.
    let allow_other = rustix::process::getuid().is_root();
    let mut options = MountOptions { allow_other, ..MountOptions::default() };
    for given in &arguments.options {
        options.take(given).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    if let Some(masters) = arguments.client.master.first()
        && options.source == MountOptions::default().source
    {
        options.source.clone_from(masters);
    }
    Ok(options)
}

/// Says that it is mounted, and holds neither the pipe nor the terminal any more.
fn leave_terminal() -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(READY)?;
    stdout.flush()?;
    let nowhere = open("/dev/null", OFlags::RDWR, Mode::empty())?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok(())
}

async fn until_unmounted(mounted: Mounted, signals: &mut Signals) -> std::io::Result<()> {
    loop {
        tokio::select! {
            name = signals.next() => {
                tracing::info!(signal = name, "unmounting");
                return blocking(|| mounted.unmount()).await;
            }
            () = tokio::time::sleep(UNMOUNT_CHECK) => {
                if mounted.has_ended() {
                    return blocking(|| mounted.join()).await;
                }
            }
        }
    }
}

/// The kernel sends its last requests, which tasks answer, while this waits.
async fn blocking(
    end: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> std::io::Result<()> {
    tokio::task::spawn_blocking(end).await.map_err(std::io::Error::other)?
}
