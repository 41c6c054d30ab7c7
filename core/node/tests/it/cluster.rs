//! One master and its chunkservers under a temporary directory.

use leasehold_client::{Client, ClientOptions};
use leasehold_node::chunkserver::{self, ChunkserverOptions};
use leasehold_node::data_dir::Begin;
use leasehold_node::master::{self, MasterOptions};
use leasehold_node::{Running, ServeError};
use leasehold_proto::{Constants, NodeId, Rack, Session};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

const MASTER: NodeId = NodeId(1);

/// Leases and silences short enough for a test, in the proportions of the defaults.
pub fn constants() -> Constants {
    let ms = Duration::from_millis;
    Constants {
        lease_duration: ms(2_000),
        lease_margin: ms(50),
        lease_renew_interval: ms(500),
        lease_idle_after: ms(2_000),
        heartbeat_interval: ms(100),
        server_dead_after: ms(1_000),
        retry_interval: ms(100),
        prepare_grace: ms(100),
        member_silent_after: ms(600),
        member_stalled_after: ms(5_000),
        operation_timeout: ms(30_000),
        repair_delay: ms(500),
        ..Constants::default()
    }
}

pub struct Cluster {
    dir: TempDir,
    pub master: Option<Running>,
    pub servers: Vec<Option<Running>>,
    master_address: SocketAddr,
    sessions: u64,
}

impl Cluster {
    pub async fn start(servers: usize) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let master = master::start(master_options(dir.path().join("master"), any)).await.unwrap();
        let master_address = master.address();
        let mut cluster =
            Cluster { dir, master: Some(master), servers: Vec::new(), master_address, sessions: 0 };
        for index in 0..servers {
            cluster.servers.push(None);
            cluster.start_server(index).await;
        }
        cluster
    }

    pub fn server_options(&mut self, index: usize) -> ChunkserverOptions {
        self.sessions += 1;
        ChunkserverOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            advertise: None,
            data_dir: self.dir.path().join(format!("server{index}")),
            begin: Begin::Either,
            masters: vec![(MASTER, self.master_address)],
            rack: Rack(index as u32),
            capacity_bytes: Some(1 << 30),
            constants: constants(),
            insists: Vec::new(),
            uuid: 1_000 + index as u64,
            session: Session(self.sessions),
        }
    }

    pub async fn start_server(&mut self, index: usize) {
        let options = self.server_options(index);
        self.servers[index] = Some(chunkserver::start(options).await.unwrap());
    }

    pub async fn stop_server(&mut self, index: usize) {
        self.servers[index].take().unwrap().stop().await.unwrap();
    }

    pub async fn stop_master(&mut self) {
        self.master.take().unwrap().stop().await.unwrap();
    }

    pub async fn start_master(&mut self) -> Result<(), ServeError> {
        let options = master_options(self.dir.path().join("master"), self.master_address);
        self.master = Some(master::start(options).await?);
        Ok(())
    }

    pub async fn client(&mut self) -> Client {
        self.sessions += 1;
        let masters = vec![(MASTER, self.master_address)];
        let options = ClientOptions::new(NodeId(1 << 40 | self.sessions), masters);
        Client::connect(ClientOptions { constants: constants(), ..options }).await.unwrap()
    }

    pub async fn stop(mut self) {
        for index in 0..self.servers.len() {
            if self.servers[index].is_some() {
                self.stop_server(index).await;
            }
        }
        if self.master.is_some() {
            self.stop_master().await;
        }
    }
}

fn master_options(data_dir: PathBuf, listen: SocketAddr) -> MasterOptions {
    MasterOptions {
        listen,
        advertise: None,
        data_dir,
        begin: Begin::Either,
        node: MASTER,
        constants: constants(),
        insists: Vec::new(),
        salt: 42,
        peers: None,
    }
}
