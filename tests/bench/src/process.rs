//! What the system accounts to a process, and what it allows this one.

use std::{fs, io, iter::Sum, time::Duration};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::resource::{Resource, getrlimit, setrlimit},
    time::clock_getcpuclockid,
    unistd::Pid,
};
use serde::Serialize;

/// CPU time that the process has used since its start, in user space and in the kernel, by all its threads, also those
/// that have ended: the process's own clock, exact to the nanosecond (the ticks of `/proc/PID/stat` are 10 ms).
pub fn cpu(pid: u32) -> io::Result<Duration> {
    let pid = Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?);
    Ok(clock_getcpuclockid(pid)?.now()?.into())
}

/// Memory of a process in bytes, from `/proc/PID/smaps_rollup`. What the kernel holds for its sockets is not in it.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// Resident, with all pages of files and libraries.
    pub rss: u64,
    /// Resident, pages shared with other processes counted by their share.
    pub pss: u64,
    /// Resident and of no file: heap and stacks.
    pub anonymous: u64,
}

impl Sum for Memory {
    fn sum<I: Iterator<Item = Memory>>(all: I) -> Memory {
        all.fold(Memory::default(), |sum, one| Memory {
            rss: sum.rss + one.rss,
            pss: sum.pss + one.pss,
            anonymous: sum.anonymous + one.anonymous,
        })
    }
}

/// Memory of the process now.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let bytes = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes * 1024)
    };
    let read = || Some(Memory { rss: bytes("Rss:")?, pss: bytes("Pss:")?, anonymous: bytes("Anonymous:")? });
    read().ok_or_else(|| io::Error::other("smaps_rollup has no Rss, Pss or Anonymous"))
}

/// Raises this process's soft limit of descriptors to the hard one (the servers inherit it) and gives it.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// The cores of this machine, parted: all but the last for the servers, the last for the load.
#[derive(Debug, Clone, Copy)]
pub struct Pinning {
    servers: CpuSet,
    load: CpuSet,
}

impl Pinning {
    /// Parts the cores that this process may use; an error where there is only one.
    pub fn part() -> io::Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let cores: Vec<usize> =
            (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false)).collect();
        let Some((last, others @ [_, ..])) = cores.split_last() else {
            return Err(io::Error::other("one core cannot be parted"));
        };
        let (mut servers, mut load) = (CpuSet::new(), CpuSet::new());
        others.iter().try_for_each(|&core| servers.set(core))?;
        load.set(*last)?;
        Ok(Pinning { servers, load })
    }

    /// Puts this thread on the servers' cores: a child that is started now inherits them.
    pub fn servers(&self) -> io::Result<()> {
        Ok(sched_setaffinity(Pid::from_raw(0), &self.servers)?)
    }

    /// Puts this thread on the load's core, likewise.
    pub fn load(&self) -> io::Result<()> {
        Ok(sched_setaffinity(Pid::from_raw(0), &self.load)?)
    }
}
