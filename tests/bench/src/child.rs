//! A process that the bench starts: its lines are read as they come, and it ends, by its pid, when this is dropped.

use std::{
    io::{self, BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A running process.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Its stdout, line by line; closed when it ends.
    pub(crate) lines: UnboundedReceiver<String>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("stdout was asked for");
        let (sender, lines) = unbounded_channel();
        let running = Running { child, lines };
        // A thread that reads to the end, so that the process never waits for its reader.
        thread::Builder::new().spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        })?;
        Ok(running)
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its stdin, where it was asked for.
    pub(crate) fn stdin(&mut self) -> Option<&mut ChildStdin> {
        self.child.stdin.as_mut()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
