//! One mishap at each disk operation of a run, one after the other.

use leasehold_store::MemDisk;
use leasehold_store::mem::Mishap;

/// What strikes, and what it leaves.
pub struct Trial<'a> {
    pub mishap: Mishap,
    /// After it, the power fails; how what was not synced is torn by that.
    pub torn: &'a [u64],
    /// What the disk is told before.
    pub prepare: fn(&MemDisk),
}

impl Trial<'_> {
    /// Runs until no operation is left to be struck, and judges each disk that remains. Gives how
    /// many operations there were.
    pub fn everywhere<R>(
        &self,
        run: impl Fn(&MemDisk) -> R,
        judge: impl Fn(&MemDisk, &R, u64) -> Result<(), String>,
    ) -> Result<u64, String> {
        let mishap = self.mishap;
        for at in 0.. {
            let disk = MemDisk::new();
            (self.prepare)(&disk);
            disk.arm(at, mishap);
            let ran = run(&disk);
            let struck = disk.struck();
            for &torn in self.torn {
                judge(&disk.fork(), &ran, torn).map_err(|why| {
                    format!("{mishap:?} at operation {at}, torn by {torn}: {why}")
                })?;
            }
            if !struck {
                return Ok(at);
            }
        }
        unreachable!("a run ends")
    }
}
