//! A client as a process, with what it prints.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::support::wait_until_within;

/// A running program. It ends when this is dropped; when the test failed, what it printed is printed first.
pub(crate) struct Program {
    process: Child,
    name: &'static str,
    output: PathBuf,
}

impl Program {
    /// Starts `command`, which is of the Debian package `package`. What it prints goes to `output`.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, package: &'static str, output: PathBuf) -> Self {
        let file = File::create(&output).unwrap();
        let started = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn();
        let process = started.unwrap_or_else(|error| {
            panic!("{command:?}: {error}. `tests/run` installs the Debian package {package}.")
        });
        Self { process, name: package, output }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.wait_within(Duration::from_secs(40))
    }

    /// Waits for its end, for what takes its time.
    #[track_caller]
    pub(crate) fn wait_within(&mut self, time: Duration) -> ExitStatus {
        let mut status = None;
        wait_until_within(time, self.name, || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Asks it to end, as a user who closes it does.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let kill = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(kill.success());
        self.wait()
    }

    /// Ends it without notice, as a power failure does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let output = fs::read(&self.output).unwrap_or_default();
            println!("---- {} ----\n{}---- end ----", self.name, String::from_utf8_lossy(&output));
        }
    }
}

/// A port of this host that is free over UDP and TCP, for a program that cannot be told to take any.
pub(crate) fn free_port() -> SocketAddr {
    let free = std::iter::repeat_with(|| {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        UdpSocket::bind(address).map(|_| address)
    });
    free.flatten().next().unwrap()
}
