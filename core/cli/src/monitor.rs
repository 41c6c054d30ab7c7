//! What a monitor reads by HTTP: `/metrics` in Prometheus' text format, and `/healthz`.
//!
//! Two fixed paths, GET only, one request a connection: less than a web framework has in its smallest
//! form, so none is linked into every server.

use crate::failure::Failure;
use leasehold_node::probe::{Probe, Sample};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// A request's head at the most.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Connections at a time; more wait.
const CONNECTIONS_MAX: usize = 16;
/// A connection ends after this long, whatever it does.
const CONNECTION: Duration = Duration::from_secs(10);
/// A loop that has not answered within this time is stuck, or has far too much to do.
const PATIENCE: Duration = Duration::from_secs(2);

/// The port of a monitor, if there is one.
#[derive(Debug)]
pub struct Monitor(Arc<OnceLock<Probe>>);

impl Monitor {
    /// Listens, and answers from here on; that the server starts, until [`Monitor::serve`].
    pub async fn start(listen: Option<SocketAddr>) -> Result<Monitor, Failure> {
        let probe = Arc::new(OnceLock::new());
        if let Some(listen) = listen {
            let listener = TcpListener::bind(listen).await;
            let listener =
                listener.map_err(|error| Failure::about(format!("--metrics {listen}"), error))?;
            tracing::info!(%listen, "answers /metrics and /healthz");
            tokio::spawn(answer_all(listener, probe.clone()));
        }
        Ok(Monitor(probe))
    }

    /// The server that runs from here on.
    pub fn serve(&self, probe: Probe) {
        let first = self.0.set(probe);
        debug_assert!(first.is_ok(), "a process is one server");
    }
}

async fn answer_all(listener: TcpListener, probe: Arc<OnceLock<Probe>>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = room.clone().acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((connection, _)) => {
                let probe = probe.clone();
                tokio::spawn(async move {
                    // A monitor that is slow, or disconnects, is dropped.
                    let _ = timeout(CONNECTION, answer(connection, probe.get())).await;
                    drop(permit);
                });
            }
            // Descriptors may have run out for a moment.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer(mut connection: TcpStream, probe: Option<&Probe>) -> std::io::Result<()> {
    let Some(head) = head(&mut connection).await? else { return Ok(()) };
    let Page { status, kind, body } = page(&head, probe).await;
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await
}

/// The first line of a request, once all of its head is there; none if it is too long or ends before.
async fn head(connection: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut more = [0; 1024];
        let length = connection.read(&mut more).await?;
        if length == 0 || bytes.len() + length > HEAD_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&more[..length]);
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().next().map(str::to_owned))
}

#[derive(Debug, PartialEq, Eq)]
struct Page {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Page {
    fn text(status: &'static str, body: impl Into<String>) -> Page {
        Page { status, kind: "text/plain; charset=utf-8", body: body.into() + "\n" }
    }
}

async fn page(request: &str, probe: Option<&Probe>) -> Page {
    let mut words = request.split(' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    if method != Some("GET") {
        return Page::text("405 Method Not Allowed", "only GET");
    }
    let path = target.split('?').next().unwrap_or_default();
    match path {
        "/healthz" => health(sample(probe).await.as_ref(), probe.is_some()),
        "/metrics" => Page {
            status: "200 OK",
            kind: "application/openmetrics-text; version=1.0.0; charset=utf-8",
            body: metrics(sample(probe).await.as_ref(), probe),
        },
        _ => Page::text("404 Not Found", "there are /metrics and /healthz"),
    }
}

async fn sample(probe: Option<&Probe>) -> Option<Sample> {
    timeout(PATIENCE, probe?.sample()).await.ok().flatten()
}

/// 200 if the loop runs and may serve; what a load balancer or a restart rule looks at. A master that
/// follows is healthy, and a chunkserver that no master registered yet is not.
fn health(sample: Option<&Sample>, started: bool) -> Page {
    const UNAVAILABLE: &str = "503 Service Unavailable";
    match sample {
        None if started => Page::text(UNAVAILABLE, "the loop does not answer"),
        None => Page::text(UNAVAILABLE, "starting: no master has answered yet"),
        Some(Sample::Master { acts: Some(epoch), .. }) => {
            Page::text("200 OK", format!("ok: leads in epoch {epoch}"))
        }
        Some(Sample::Master { acts: None, .. }) => Page::text("200 OK", "ok: does not lead"),
        Some(Sample::Chunkserver { serves: false, .. }) => {
            Page::text(UNAVAILABLE, "serves no more; the log says why")
        }
        Some(Sample::Chunkserver { registered: false, .. }) => {
            Page::text(UNAVAILABLE, "not registered with a master")
        }
        Some(Sample::Chunkserver { .. }) => Page::text("200 OK", "ok"),
    }
}

/// Every number in the text format.
fn metrics(sample: Option<&Sample>, probe: Option<&Probe>) -> String {
    let mut registry = Registry::with_prefix("leasehold");
    let version = Info::new([("version", env!("LEASEHOLD_VERSION"))]);
    registry.register("build", "The program", version);
    set(&mut registry, "up", "1 if the loop answers", u64::from(sample.is_some()));
    process(&mut registry);
    if let Some(probe) = probe {
        probe.register(&mut registry);
    }
    match sample {
        Some(master @ Sample::Master { .. }) => of_master(&mut registry, master),
        Some(server @ Sample::Chunkserver { .. }) => of_chunkserver(&mut registry, server),
        None => {}
    }
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes everything");
    text
}

fn set(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabels {
    server: String,
}

fn of_master(registry: &mut Registry, sample: &Sample) {
    let Sample::Master { acts, applied, cluster } = sample else { return };
    set(registry, "leads", "1 if this master leads", u64::from(acts.is_some()));
    set(registry, "epoch", "Of the leader, 0 of others", acts.map_or(0, |epoch| epoch.0));
    set(registry, "applied_index", "The last entry of the log that was applied", applied.0);
    let Some(cluster) = cluster else { return };
    let alive = cluster.servers.iter().filter(|server| server.alive).count() as u64;
    let all = cluster.servers.len() as u64;
    let bytes = |of: fn(&leasehold_client::ServerStatus) -> u64| -> u64 {
        let alive = cluster.servers.iter().filter(|server| server.alive);
        // A disk that could not be measured has no bound.
        alive.map(of).fold(0, u64::saturating_add)
    };
    for (name, help, value) in [
        ("servers_alive", "Chunkservers that are heard and have a disk", alive),
        ("servers_dead", "Registered chunkservers that are not", all - alive),
        ("cluster_used_bytes", "Of chunkservers that are alive", bytes(|s| s.used_bytes)),
        ("cluster_free_bytes", "Of chunkservers that are alive", bytes(|s| s.free_bytes)),
        ("cluster_capacity_bytes", "Of chunkservers that are alive", bytes(|s| s.capacity_bytes)),
        ("files", "Files, the trash aside", cluster.files),
        ("directories", "Directories", cluster.directories),
        ("trashed_files", "Files in the trash", cluster.trashed),
        ("chunks", "Chunks", cluster.chunks),
        ("chunks_under_target", "Chunks with too few replicas", cluster.chunks_under_target),
        ("chunks_unavailable", "Chunks without a replica", cluster.chunks_unavailable),
        ("leases", "Leases in force, by the granter's count", cluster.leases),
        ("changes_under_way", "Changes of configurations", cluster.changes),
        ("copies_under_way", "Copies of replicas", cluster.repairs),
        ("safe_mode", "1 if repair is held back", u64::from(cluster.safe_mode)),
        ("log_lost", "1 if this log lacks what servers know", u64::from(cluster.alarm)),
    ] {
        set(registry, name, help, value);
    }
    let each: Family<ServerLabels, Gauge> = Family::default();
    for server in &cluster.servers {
        let labels = ServerLabels { server: server.node.to_string() };
        each.get_or_create(&labels).set(i64::from(server.alive));
    }
    registry.register("server_alive", "1 for each chunkserver that is heard", each);
}

fn of_chunkserver(registry: &mut Registry, sample: &Sample) {
    let Sample::Chunkserver {
        serves,
        registered,
        replicas,
        leases,
        used_bytes,
        free_bytes,
        capacity_bytes,
    } = *sample
    else {
        return;
    };
    for (name, help, value) in [
        ("serves", "0 once it stopped for good", u64::from(serves)),
        ("registered", "1 if a master has registered it", u64::from(registered)),
        ("replicas", "Replicas that it holds", replicas),
        ("leases", "Chunks of which it is primary", leases),
        ("used_bytes", "Bytes of its replicas", used_bytes),
        ("free_bytes", "Bytes that they may still occupy", free_bytes),
        ("capacity_bytes", "Bytes of its disk, or what it offers of them", capacity_bytes),
    ] {
        set(registry, name, help, value);
    }
}

/// What the kernel counts of this process.
fn process(registry: &mut Registry) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = kib.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    if let Some(kib) = kib {
        set(registry, "process_resident_bytes", "Memory in use", kib << 10);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        set(registry, "process_open_files", "Open descriptors", open.count() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::{Epoch, LogIndex};

    fn chunkserver(serves: bool, registered: bool) -> Sample {
        Sample::Chunkserver {
            serves,
            registered,
            replicas: 3,
            leases: 2,
            used_bytes: 5,
            free_bytes: 3,
            capacity_bytes: 9,
        }
    }

    #[test]
    fn health_is_whether_it_may_serve() {
        let master = |acts| Sample::Master { acts, applied: LogIndex(4), cluster: None };
        for (sample, started, status) in [
            (None, false, "503"),
            (None, true, "503"),
            (Some(master(None)), true, "200"),
            (Some(master(Some(Epoch(3)))), true, "200"),
            (Some(chunkserver(true, true)), true, "200"),
            (Some(chunkserver(true, false)), true, "503"),
            (Some(chunkserver(false, true)), true, "503"),
        ] {
            let page = health(sample.as_ref(), started);
            assert!(page.status.starts_with(status), "{sample:?}: {page:?}");
        }
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused() {
        assert!(page("GET /metric HTTP/1.1", None).await.status.starts_with("404"));
        assert!(page("POST /metrics HTTP/1.1", None).await.status.starts_with("405"));
        assert!(page("", None).await.status.starts_with("405"));
    }

    #[test]
    fn every_number_of_a_sample_is_in_the_text() {
        let text = metrics(Some(&chunkserver(true, true)), None);
        for line in ["leasehold_replicas 3", "leasehold_leases 2", "leasehold_up 1"] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(metrics(None, None).contains("leasehold_up 0"));
        assert!(text.ends_with("# EOF\n"));
    }
}
