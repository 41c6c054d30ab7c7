//! Bytes at a server's port that no peer would send: each ends its own connection, and nothing
//! else.

use crate::cluster::{Cluster, assert_same, noise};
use leasehold_proto::NodeId;
use leasehold_wire::{ClusterId, Frame, Role, crc32c, encode};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A well-formed first frame, whose header the cases spoil.
fn hello() -> Vec<u8> {
    let (node, role) = (NodeId(0x000b_ad00), Role::Client);
    let frame = Frame::Hello { node, role, listen: None, cluster: ClusterId::UNKNOWN };
    encode(&frame).unwrap().head
}

/// Changes the header, and its checksum with it.
fn spoilt(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut frame = hello();
    change(&mut frame);
    let crc = crc32c(&frame[..24]);
    frame[24..28].copy_from_slice(&crc.to_le_bytes());
    frame
}

fn hostile_streams() -> Vec<(&'static str, Vec<u8>)> {
    let four_gib = u32::MAX.to_le_bytes();
    let mut after_hello = hello();
    after_hello.extend(noise(9, 100_000));
    vec![
        ("random bytes", noise(7, 100_000)),
        ("random bytes after a good hello", after_hello),
        ("a body of 4 GiB", spoilt(|header| header[8..12].copy_from_slice(&four_gib))),
        ("a payload of 4 GiB", spoilt(|header| header[12..16].copy_from_slice(&four_gib))),
        ("another format version", spoilt(|header| header[4] += 1)),
        ("a truncated frame", hello()[..hello().len() - 3].to_vec()),
        ("half a header", hello()[..11].to_vec()),
        ("nothing", Vec::new()),
    ]
}

/// Sends, says that no more comes, and waits until the server hangs up.
fn throw(address: &str, name: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may hang up before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{name}: the server did not hang up: {error}"),
    }
}

fn address_in(log: &str) -> String {
    let (_, after) = log.split_once(" address=").expect("a server logs where it listens");
    after.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn garbage_ends_its_own_connection_only() {
    let mut cluster = Cluster::start(3);
    let bytes = noise(8, 3 << 20);
    cluster.run_with(&["put", "-", "/file"], &bytes).well();
    let addresses = [cluster.address().to_owned(), address_in(&cluster.chunkservers[0].log())];
    for address in &addresses {
        for (name, stream) in hostile_streams() {
            throw(address, name, &stream);
        }
    }
    cluster.all_run();
    assert_same(&cluster.run(&["cat", "/file"]).well().stdout, &bytes);
    cluster.run_with(&["put", "-", "/after"], &bytes).well();
    cluster.run(&["fsck"]).well();
}
