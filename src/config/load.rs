//! The layers: read each, check each key of it alone, merge, check the rules between keys.
//!
//! A key is checked alone by laying it over the built-in defaults and asking the types: the defaults are whole and right
//! (a test holds that), so whatever fails is that key's fault. So there is no second description of the keys to keep in step.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use config::{ConfigError, File, FileFormat, Map, Source, Value, ValueKind};

use super::check::{self, Severity};
use super::fault::{Fault, Faults};
use super::model::{Cluster, Config};
use super::secret::Secret;
use super::upstream::Upstream;

/// `config/default.toml`, which is the lowest layer.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

const ENVIRONMENT: &str = "environment";
const PREFIX: &str = "FLOWHOLD__";

/// A configuration that can be started with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What to do.
    pub config: Config,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Fault>,
}

/// Reads the defaults, then `files` in order, then the variables of `environment` that start with `FLOWHOLD__`.
///
/// # Errors
/// Every fault that was found in any layer or between keys.
pub fn load(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Faults> {
    let mut layers = Layers::new();
    for file in files {
        layers.add_file(file);
    }
    layers.add_environment(environment);
    layers.finish()
}

impl Default for Config {
    /// What a node does without a configuration, environment left aside.
    fn default() -> Self {
        match load(&[], []) {
            Ok(loaded) => loaded.config,
            Err(faults) => panic!("config/default.toml: {faults}"),
        }
    }
}

/// Where the value of a key came from.
struct Origin {
    layer: usize,
    file: String,
    key: String,
}

struct Layers {
    defaults: config::Config,
    known: BTreeMap<String, Value>,
    /// The values that passed, in the order of the layers.
    values: Vec<(String, Value)>,
    origins: BTreeMap<String, Origin>,
    /// Keys whose value did not pass: rules between keys that read them say nothing.
    failed: BTreeSet<String>,
    faults: Vec<Fault>,
    layer: usize,
}

impl Layers {
    fn new() -> Self {
        let defaults = config::Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()
            .expect("config/default.toml is TOML: a test reads it");
        let mut known = BTreeMap::new();
        flatten("", defaults.collect().expect("a built configuration is a table"), &mut known);
        Layers {
            defaults,
            known,
            values: Vec::new(),
            origins: BTreeMap::new(),
            failed: BTreeSet::new(),
            faults: Vec::new(),
            layer: 0,
        }
    }

    fn add_file(&mut self, path: &std::path::Path) {
        self.layer += 1;
        let file = path.display().to_string();
        let read = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot be read: {error}"))
            .and_then(|text| {
                File::from_str(&text, FileFormat::Toml).collect().map_err(|error| syntax_error(&error))
            });
        match read {
            Ok(table) => {
                let mut leaves = BTreeMap::new();
                flatten("", table, &mut leaves);
                for (key, value) in leaves {
                    self.add(&file, key.clone(), key, value);
                }
            }
            Err(reason) => self.fault(file, String::new(), reason),
        }
    }

    fn add_environment(&mut self, environment: impl IntoIterator<Item = (OsString, OsString)>) {
        self.layer += 1;
        let mut variables: Vec<_> = environment.into_iter().collect();
        // The order of the environment is nobody's choice; the order of the report should be.
        variables.sort();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let key = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            let Some(text) = value.to_str() else {
                self.failed.insert(key);
                self.fault(ENVIRONMENT.to_owned(), name.to_owned(), "is not UTF-8".to_owned());
                continue;
            };
            let value = match self.known.get(&key) {
                Some(default) => from_environment(text, &default.kind),
                None => text.into(),
            };
            self.add(ENVIRONMENT, name.to_owned(), key, Value::new(None, value));
        }
    }

    /// Takes `value` for `key`, which its layer calls `shown`, or notes why not.
    fn add(&mut self, file: &str, shown: String, key: String, value: Value) {
        if let Err(reason) = self.admit(&key, &value) {
            self.failed.insert(key);
            self.fault(file.to_owned(), shown, reason);
            return;
        }
        // A later layer that is right does not make an earlier one right, but the rules between keys can be asked again
        // only when every layer is: `failed` stays.
        self.origins.insert(key.clone(), Origin { layer: self.layer, file: file.to_owned(), key: shown });
        self.values.push((key, value));
    }

    fn admit(&self, key: &str, value: &Value) -> Result<(), String> {
        let Some(default) = self.known.get(key) else { return Err(self.unknown(key)) };
        let (wanted, found) = (kind(&default.kind), kind(&value.kind));
        if wanted != found {
            return Err(format!("{found} where {wanted} is wanted, such as {}", shown(&default.kind)));
        }
        if let ValueKind::I64(number @ ..0) = value.kind {
            return Err(format!("{number} is below 0"));
        }
        if key == UPSTREAM {
            return self.admit_tables(key, value);
        }
        if let ValueKind::Array(items) = &value.kind
            && let Some(item) = items.iter().find(|item| kind(&item.kind) != TEXT)
        {
            return Err(format!("{} in a list of texts, such as {}", kind(&item.kind), shown(&default.kind)));
        }
        self.merged(&[(key.to_owned(), value.clone())]).map(|_| ()).map_err(|error| reason(&error))
    }

    /// A list of tables, each of which is right by itself.
    fn admit_tables(&self, key: &str, value: &Value) -> Result<(), String> {
        let ValueKind::Array(items) = &value.kind else { return Ok(()) };
        for (number, item) in (1..).zip(items) {
            if !matches!(item.kind, ValueKind::Table(_)) {
                return Err(format!("is a list of tables: write [[{key}]] in a file"));
            }
            let alone = Value::new(None, ValueKind::Array(vec![item.clone()]));
            self.merged(&[(key.to_owned(), alone)])
                .map_err(|error| format!("table {number}: {}", reason_in_table(&error)))?;
        }
        Ok(())
    }

    fn unknown(&self, key: &str) -> String {
        if key.strip_prefix(UPSTREAM).is_some_and(|rest| rest.starts_with('.')) {
            return format!(
                "is a key of a list of tables: write [[{UPSTREAM}]] in a file, with two brackets"
            );
        }
        let prefix = format!("{key}.");
        if self.known.keys().any(|known| known.starts_with(&prefix)) {
            return format!("is a section: write [{key}] and its keys below");
        }
        let nearest = self.known.keys().min_by_key(|known| strsim::damerau_levenshtein(known, key));
        match nearest.filter(|known| strsim::damerau_levenshtein(known, key) <= 2) {
            Some(known) => format!("unknown key, did you mean {known}?"),
            None => "unknown key".to_owned(),
        }
    }

    fn merged(&self, values: &[(String, Value)]) -> Result<Config, ConfigError> {
        let mut builder = config::Config::builder().add_source(self.defaults.clone());
        for (key, value) in values {
            builder = builder.set_override(key, value.clone())?;
        }
        builder.build()?.try_deserialize()
    }

    fn finish(mut self) -> Result<Loaded, Faults> {
        let mut config = self
            .merged(&self.values)
            .expect("a value that passed alone passes together: fields are read apart");
        if config.node.id.is_empty() {
            config.node.id = gethostname::gethostname().to_string_lossy().into_owned();
        }
        self.read_secret(&mut config.cluster);
        for upstream in &mut config.upstream {
            self.complete_upstream(upstream);
        }
        let mut warnings = Vec::new();
        for finding in check::check(&config) {
            if finding.keys.iter().any(|key| self.failed.contains(*key)) {
                continue;
            }
            let (file, key) = self.blame(&finding.keys);
            let fault = Fault { file, key, reason: finding.reason };
            match finding.severity {
                Severity::Fault => self.faults.push(fault),
                Severity::Warning => warnings.push(fault),
            }
        }
        if self.faults.is_empty() { Ok(Loaded { config, warnings }) } else { Err(Faults(self.faults)) }
    }

    /// The cluster's secret from the file that it stands in.
    fn read_secret(&mut self, cluster: &mut Cluster) {
        let Some(path) = &cluster.secret_file else { return };
        let read = if cluster.secret.is_some() {
            Err("the secret stands in cluster.secret as well: one of the two is enough".to_owned())
        } else {
            Secret::read(path)
        };
        match read {
            Ok(secret) => cluster.secret = Some(secret),
            Err(reason) => {
                let (file, key) = self.blame(&["cluster.secret_file"]);
                self.failed.insert("cluster.secret".to_owned());
                self.fault(file, key, reason);
            }
        }
    }

    /// The names that stand in for empty ones, and the password from the file that it stands in.
    fn complete_upstream(&mut self, upstream: &mut Upstream) {
        if upstream.name.is_empty() {
            upstream.name = upstream.short_aor();
        }
        if upstream.username.is_empty() {
            upstream.username = upstream.user();
        }
        let Some(path) = &upstream.password_file else { return };
        let read = if upstream.password.is_some() {
            Err("the password stands in `password` as well: one of the two is enough".to_owned())
        } else {
            Secret::read(path)
        };
        match read {
            Ok(secret) => upstream.password = Some(secret),
            Err(reason) => {
                let (file, key) = self.blame(&[UPSTREAM]);
                self.fault(file, key, format!("{}: {reason}", upstream.name));
            }
        }
    }

    /// Of the keys that a rule reads, the one that was set in the latest layer: it is the one to put right.
    fn blame(&self, keys: &[&str]) -> (String, String) {
        let set = keys.iter().filter_map(|key| self.origins.get(*key));
        match set.reduce(|latest, origin| if origin.layer > latest.layer { origin } else { latest }) {
            Some(origin) => (origin.file.clone(), origin.key.clone()),
            None => ("built-in defaults".to_owned(), keys.first().copied().unwrap_or_default().to_owned()),
        }
    }

    fn fault(&mut self, file: String, key: String, reason: String) {
        self.faults.push(Fault { file, key, reason });
    }
}

/// The values of a table by `section.key`. An empty section is a value: it may be a section that there is not.
fn flatten(prefix: &str, table: Map<String, Value>, into: &mut BTreeMap<String, Value>) {
    #[allow(clippy::iter_over_hash_type, reason = "it goes into an ordered map")]
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(inner) if !inner.is_empty() => flatten(&key, inner, into),
            _ => {
                into.insert(key, value);
            }
        }
    }
}

/// A variable's text as the kind of value that its key has; what does not fit stays text, and is refused as such.
fn from_environment(text: &str, like: &ValueKind) -> ValueKind {
    match like {
        ValueKind::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            ValueKind::Array(items.map(|item| Value::new(None, item)).collect())
        }
        ValueKind::Boolean(_) => text.parse::<bool>().map_or_else(|_| text.into(), ValueKind::Boolean),
        ValueKind::I64(_) => text.parse::<i64>().map_or_else(|_| text.into(), ValueKind::I64),
        _ => text.into(),
    }
}

/// The key whose value is a list of tables.
const UPSTREAM: &str = "upstream";

const TEXT: &str = "a text";

fn kind(value: &ValueKind) -> &'static str {
    match value {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a whole number",
        ValueKind::Float(_) => "a number with a fraction",
        ValueKind::String(_) => TEXT,
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
    }
}

/// A value as TOML.
fn shown(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) => format!("\"{text}\""),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| shown(&item.kind)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// The bare reason: file and key are said in front of it.
fn reason(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => reason(error),
        ConfigError::Message(text) => text.clone(),
        ConfigError::Type { unexpected, expected, .. } => format!("{unexpected} where {expected} is wanted"),
        other => other.to_string(),
    }
}

/// The reason with the key of its table.
fn reason_in_table(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, key: Some(key), .. } if key.contains('.') => {
            let key = key.rsplit('.').next().unwrap_or(key);
            format!("{key}: {}", reason(error))
        }
        other => reason(other),
    }
}

/// A parser's drawing of several lines as one: where (its first line) and what (its last).
fn syntax_error(error: &ConfigError) -> String {
    let cause = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let lines: Vec<&str> = cause.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [first, .., last] => format!("{first}: {last}"),
        _ => cause,
    }
}
