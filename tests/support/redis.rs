//! A `redis-server` that a test starts on a free port, stops, kills and starts again; it keeps nothing on disk.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::wait::{DEADLINE, wait_until};

/// A running `redis-server`. It ends when this is dropped; when the test failed, its log is printed first.
pub(crate) struct RedisServer {
    process: Child,
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more arguments, `DIRECTORY` in which stands for its own.
    #[track_caller]
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        // Another process may take the port between the two: then the server ends, and another port is tried.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let directory = tempfile::tempdir().unwrap();
            let own = directory.path().to_str().unwrap();
            let arguments: Vec<String> =
                arguments.iter().map(|argument| argument.replace("DIRECTORY", own)).collect();
            let process = spawn(port, &directory, &arguments);
            let mut server = Self { process, directory, port, arguments };
            if server.is_up() {
                return server;
            }
        }
        panic!("redis-server does not start");
    }

    /// Starts it again, empty, on the same port.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.kill();
        self.process = spawn(self.port, &self.directory, &self.arguments);
        assert!(self.is_up(), "redis-server does not start again");
    }

    /// Ends it, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// It no longer runs, but its connections stay up: SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// It runs again: SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command; the answer as text, with the elements of an array on a line each. An error is text too.
    #[track_caller]
    pub(crate) fn command(&self, words: &[&str]) -> String {
        self.try_command(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) fn try_command(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(), DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let password = self.arguments.iter().skip_while(|argument| *argument != "--requirepass").nth(1);
        if let Some(password) = password {
            stream.write_all(request(&["AUTH", password]).as_bytes())?;
        }
        stream.write_all(request(words).as_bytes())?;
        let (mut stream, mut lines) = (BufReader::new(stream), Vec::new());
        if password.is_some() {
            answer(&mut stream, &mut Vec::new())?;
        }
        answer(&mut stream, &mut lines)?;
        Ok(lines.join("\n"))
    }

    fn is_up(&mut self) -> bool {
        let is_encrypted = self.arguments.iter().any(|argument| argument == "--tls-port");
        let pid = format!("process_id:{}", self.process.id());
        let mut has_ended = false;
        wait_until("redis-server answers", || {
            has_ended = self.process.try_wait().unwrap().is_some();
            let answers = || match self.try_command(&["INFO", "server"]) {
                Ok(text) => text.contains(&pid) || text.starts_with("NOAUTH") || text.starts_with("NOPERM"),
                Err(_) => is_encrypted && TcpStream::connect(self.address()).is_ok(),
            };
            has_ended || answers()
        });
        !has_ended
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            println!("---- log of redis-server {} ----\n{log}---- end of the log ----", self.port);
        }
    }
}

fn spawn(port: u16, directory: &TempDir, arguments: &[String]) -> Child {
    let own = directory.path().to_str().unwrap();
    let mut command = Command::new("redis-server");
    // A configuration file comes first, where there is one.
    let has_port = arguments.iter().any(|argument| argument == "--tls-port");
    let arguments = arguments.iter().map(|argument| argument.replace("PORT", &port.to_string()));
    command.args(arguments);
    if !has_port {
        command.args(["--port", &port.to_string()]);
    }
    command
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", own])
        .args(["--logfile", directory.path().join("log").to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("redis-server: {error}; tests/run installs it"))
}

fn request(words: &[&str]) -> String {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.extend([format!("${}\r\n", word.len()).as_str(), word, "\r\n"]);
    }
    request
}

/// Reads one answer.
fn answer(stream: &mut BufReader<TcpStream>, lines: &mut Vec<String>) -> std::io::Result<()> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    let Some(kind) = line.chars().next() else {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    };
    let rest = &line[1..];
    match kind {
        '*' => {
            for _ in 0..rest.parse().unwrap_or(0) {
                answer(stream, lines)?;
            }
        }
        '$' if rest == "-1" => lines.push("(nil)".to_owned()),
        '$' => {
            let mut octets = vec![0; rest.parse::<usize>().unwrap() + 2];
            stream.read_exact(&mut octets)?;
            octets.truncate(octets.len() - 2);
            lines.push(String::from_utf8_lossy(&octets).into_owned());
        }
        _ => lines.push(rest.to_owned()),
    }
    Ok(())
}
