//! Files on their way: hidden under a name that says whose they are, until all of them is there.
//!
//! `.NAME.partial-HOST-PID-RANDOM`, in the cluster for `put` and on this machine for `get`. A process
//! that ends takes its own away; what one left that was killed is known by its owner and its age.

use crate::entropy;
use crate::failure::Failure;
use std::fmt;
use std::path::Path;

/// Bytes of a name at the most.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of a host's name that are kept.
const HOST_BYTES_MAX: usize = 32;
const MARK: &str = ".partial-";

/// The process to which an unfinished file belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its host.
    pub host: String,
    /// Its number there.
    pub pid: u32,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} of {}", self.pid, self.host)
    }
}

/// How this machine is called in such names.
fn own_host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    name.trim().chars().map(plain).take(HOST_BYTES_MAX).collect()
}

/// A temporary name for a transfer to `name`: hidden, and unique to this process.
pub fn partial_name(name: &str) -> Result<String, Failure> {
    let (host, pid, random) = (own_host(), std::process::id(), entropy::draw()? >> 32);
    let suffix = format!("{MARK}{host}-{pid}-{random:08x}");
    // A name may be as long as names can be; what is hidden needs only its beginning.
    let mut kept = name.len().min(NAME_BYTES_MAX - 1 - suffix.len());
    while !name.is_char_boundary(kept) {
        kept -= 1;
    }
    Ok(format!(".{}{suffix}", &name[..kept]))
}

/// If this is the name of an unfinished file: its owner, none if the name does not say it.
pub fn unfinished(name: &str) -> Option<Option<Owner>> {
    let (_, owner) = name.strip_prefix('.')?.rsplit_once(MARK)?;
    let is_random = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = owner.split('-').collect();
    match parts[..] {
        [random] if is_random(random) => Some(None),
        [host, pid, random] if is_random(random) => {
            let (host, pid) = (host.to_owned(), pid.parse().ok()?);
            Some(Some(Owner { host, pid }))
        }
        _ => None,
    }
}

impl Owner {
    /// It runs on this machine, as far as this machine knows.
    pub fn is_running_here(&self) -> bool {
        self.host == own_host() && Path::new(&format!("/proc/{}", self.pid)).exists()
    }

    /// It ran on this machine and has ended.
    pub fn has_ended_here(&self) -> bool {
        self.host == own_host() && !Path::new(&format!("/proc/{}", self.pid)).exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_name_says_whose_it_is() {
        let name = partial_name("video.mkv").expect("a name");
        assert!(name.starts_with(".video.mkv.partial-"), "{name}");
        let owner = unfinished(&name).expect("it is one").expect("it says whose");
        assert_eq!(owner.pid, std::process::id());
        assert!(owner.is_running_here() && !owner.has_ended_here());
        let long = partial_name(&"é".repeat(127)).expect("a name");
        assert!(long.len() <= NAME_BYTES_MAX && unfinished(&long).is_some(), "{long}");
    }

    #[test]
    fn other_names_are_not_taken_for_one() {
        assert_eq!(unfinished(".x.partial-0123abcd"), Some(None), "of an older release");
        for name in
            ["x", ".x", "x.partial-0123abcd", ".x.partial-", ".x.partial-mine", ".x.partial-a-b-c"]
        {
            assert_eq!(unfinished(name), None, "{name}");
        }
    }
}
