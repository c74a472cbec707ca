//! `flowhold passwd`: adds a user, changes its password, removes it.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write, stderr, stdin, stdout};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flowhold_cluster::location::Unavailable;
use flowhold_cluster::redis::{Redis, Settings, Users};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use flowhold::actor::auth::{algorithms, user_file};
use flowhold::actor::cluster::join;
use flowhold::config::{Config, UserStore};
use flowhold::proto::auth::{Secrets, User};

use super::{ConfigurationFiles, WRONG, say};

pub(crate) const EXAMPLES: &str = "\
Examples:
  Ask for a password, and store what nodes check it with:
      flowhold passwd --config /etc/flowhold.toml alice@example.com
  From a script, into a file that no configuration names:
      printf '%s\\n' \"$password\" | flowhold passwd --users users.toml alice@example.com
  Remove a user:
      flowhold passwd --config /etc/flowhold.toml --remove alice@example.com";

#[derive(Args)]
pub(crate) struct Passwd {
    /// The user: NAME@DOMAIN, as in its address-of-record, or the name alone where `auth.realm` is set
    user: String,
    /// The file with the users; without it, the one that `auth.users` names, or Redis, as `auth.store` says
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Remove the user
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    layers: ConfigurationFiles,
}

pub(crate) fn run(Passwd { user, users, remove, layers }: &Passwd) -> ExitCode {
    let config = match layers.read() {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            say(&mut stderr(), &faults.to_string());
            return ExitCode::from(WRONG);
        }
    };
    let user = match read_user(user, &config) {
        Ok(user) => user,
        Err(reason) => {
            say(&mut stderr(), &format!("flowhold: {reason}"));
            return ExitCode::from(WRONG);
        }
    };
    let changed = match (users, config.auth.store) {
        (None, UserStore::Redis) => change_in_redis(&user, &config, *remove),
        _ => change(users.as_ref().unwrap_or(&config.auth.users), &user, &config, *remove),
    };
    match changed {
        Ok(done) => {
            say(&mut stdout(), &done);
            ExitCode::SUCCESS
        }
        Err(reason) => {
            say(&mut stderr(), &format!("flowhold: {reason}"));
            ExitCode::FAILURE
        }
    }
}

fn read_user(text: &str, config: &Config) -> Result<User, String> {
    let realm = &config.auth.realm;
    let (name, domain) = match text.rsplit_once('@') {
        Some((name, domain)) => (name, domain.to_ascii_lowercase()),
        None if realm.is_empty() => return Err(format!("`{text}` is not NAME@DOMAIN")),
        None => (text, realm.clone()),
    };
    let is_inside = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    if name.is_empty() || domain.is_empty() || !text.chars().all(is_inside) {
        return Err(format!("`{text}` is no user: letters, digits and signs other than \" and \\"));
    }
    if !realm.is_empty() && domain != *realm {
        return Err(format!("auth.realm is `{realm}`, so the user is `{name}` or `{name}@{realm}`"));
    }
    Ok(User { name: name.as_bytes().into(), realm: domain.into_bytes().into() })
}

fn change(path: &Path, user: &User, config: &Config, remove: bool) -> Result<String, String> {
    let name = String::from_utf8_lossy(&user.key()).into_owned();
    let shown = path.display();
    let old = match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{shown}: {error}")),
    };
    let text = old.as_deref().unwrap_or(HEAD);
    let is_wrong = |reason| format!("{shown}: {reason}");
    let (text, done) = if remove {
        let left = user_file::without_user(text, &name).map_err(is_wrong)?;
        (left.ok_or_else(|| format!("{shown}: there is no user {name}"))?, "removed from")
    } else {
        let secrets = ask_for_secrets(user, config)?;
        (user_file::with_user(text, &name, &secrets).map_err(is_wrong)?, "stored in")
    };
    replace(path, &text).map_err(|error| format!("{shown}: {error}"))?;
    Ok(format!("{name}: {done} {shown}"))
}

/// Who waits for this is a person, or a script that has the time.
const PATIENCE: Duration = Duration::from_secs(5);

fn change_in_redis(user: &User, config: &Config, remove: bool) -> Result<String, String> {
    // What is wrong with Redis is said in the log.
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(stderr)
        .with_target(false)
        .without_time()
        .try_init();
    let settings = join::redis(&config.location).map_err(|error| error.to_string())?;
    let deadline = settings.deadline.max(PATIENCE);
    let redis = Redis::new(Settings { deadline, connect_deadline: deadline, ..settings });
    let users = Users::new(redis.map_err(|error| format!("location: {error}"))?);
    let secrets = if remove { None } else { Some(ask_for_secrets(user, config)?) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let (key, name) = (user.key(), String::from_utf8_lossy(&user.key()).into_owned());
    let done = runtime.block_on(async {
        let Some(secrets) = &secrets else { return users.remove(&key).await };
        let fields: Vec<(&str, &str)> = secrets.fields().collect();
        users.put(&key, &Secrets::FIELDS, &fields).await.map(|()| true)
    });
    let done = match done {
        Ok(true) if remove => "removed from",
        Ok(true) => "stored in",
        Ok(false) => return Err(format!("Redis: there is no user {name}")),
        Err(Unavailable { .. }) => {
            return Err(format!("{name}: Redis has not said that it is done: try again when it is there"));
        }
    };
    match runtime.block_on(users.tell(&key)) {
        Ok(()) => Ok(format!("{name}: {done} Redis")),
        Err(Unavailable { .. }) => {
            Ok(format!("{name}: {done} Redis; nodes see it when they read the user again (auth.users_cache)"))
        }
    }
}

fn ask_for_secrets(user: &User, config: &Config) -> Result<Secrets, String> {
    let name = String::from_utf8_lossy(&user.key()).into_owned();
    let password = read_password(&name).map_err(|error| format!("the password: {error}"))?;
    if password.is_empty() {
        return Err("an empty password is none".to_owned());
    }
    Ok(Secrets::of(user, password.as_bytes(), &algorithms(&config.auth.algorithms)))
}

const HEAD: &str = "# The users of a node and what it checks their passwords with. Written by `flowhold passwd`; comments stay.\n\n";

/// Puts a whole file in the place of another, so that a node never reads half of one. It stays its owner's, and for its eyes
/// only; a new one is for those of who makes it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Of a link, what it leads to.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let new = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = write(&new, text, fs::metadata(&path).ok().as_ref()).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn write(new: &Path, text: &str, old: Option<&fs::Metadata>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    if let Some(old) = old {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Twice from a person, who does not see it; a line from a script.
fn read_password(name: &str) -> io::Result<String> {
    if !stdin().is_terminal() {
        return read_line();
    }
    let first = ask(&format!("Password of {name}: "))?;
    if ask("Once more: ")? == first { Ok(first) } else { Err(io::Error::other("these are two passwords")) }
}

fn ask(prompt: &str) -> io::Result<String> {
    let mut out = stderr();
    write!(out, "{prompt}")?;
    out.flush()?;
    let old = tcgetattr(stdin())?;
    let mut silent = old.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(stdin(), SetArg::TCSAFLUSH, &silent)?;
    let line = read_line();
    let _ = tcsetattr(stdin(), SetArg::TCSAFLUSH, &old);
    let _ = writeln!(out);
    line
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
