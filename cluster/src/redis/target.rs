//! How a connection is made: to one Redis, to a master of a Redis Cluster, or to the master that the Sentinels name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError, RedisResult,
    TlsCertificates,
};

use super::failure::{self, Failure};
use super::settings::{Mode, Settings, SettingsError};
use super::slots::{Address, Slots};

/// Commands that may wait to be written to one connection.
const WAITING: usize = 4096;

/// Without a flag that says otherwise it is a script that writes: a replica, a Redis that still loads its data and one that
/// is busy with another script refuse it.
const PROBE: &str = "#!lua\nreturn 1";

/// Told when a connection breaks.
pub(super) type OnLost = Arc<dyn Fn() + Send + Sync>;

/// What a connection is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Endpoint {
    /// All keys: the one Redis, or the Sentinels' master.
    Whole,
    /// The keys that this master of a Redis Cluster holds.
    Master(Address),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("all keys"),
            Self::Master(Address { host, port }) => write!(f, "{host}:{port}"),
        }
    }
}

/// What to connect to.
pub(super) struct Target {
    kind: Kind,
    /// At least one.
    servers: Vec<ConnectionInfo>,
    certificates: Option<TlsCertificates>,
    deadline: Duration,
    connect_deadline: Duration,
}

enum Kind {
    Single,
    Cluster,
    Sentinel { master: String, sentinel: RedisConnectionInfo },
}

impl Target {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let kind = match &settings.mode {
            Mode::Single => Kind::Single,
            Mode::Cluster => Kind::Cluster,
            Mode::Sentinel { master, user, password } => {
                let mut sentinel = RedisConnectionInfo::default();
                if let Some(user) = user {
                    sentinel = sentinel.set_username(user);
                }
                if let Some(password) = password {
                    sentinel = sentinel.set_password(password);
                }
                Kind::Sentinel { master: master.clone(), sentinel }
            }
        };
        let count = settings.urls.len();
        if count == 0 || (count > 1 && matches!(kind, Kind::Single)) {
            return Err(SettingsError::UrlCount(count));
        }
        let certificates =
            (settings.ca.is_some() || settings.certificate.is_some()).then(|| TlsCertificates {
                client_tls: settings.certificate.as_ref().map(|certificate| ClientTlsConfig {
                    client_cert: certificate.chain.clone(),
                    client_key: certificate.private_key.clone(),
                }),
                root_cert: settings.ca.clone(),
            });
        let mut target = Self {
            kind,
            servers: Vec::with_capacity(count),
            certificates,
            deadline: settings.deadline,
            connect_deadline: settings.connect_deadline,
        };
        for (index, url) in settings.urls.iter().enumerate() {
            let refused = |reason: String| SettingsError::Url { number: index + 1, reason };
            let server = url.as_str().into_connection_info().map_err(|error| refused(about(&error)))?;
            if matches!(server.addr(), ConnectionAddr::Unix(_)) && !matches!(target.kind, Kind::Single) {
                return Err(refused("only a single Redis can be at a socket's path".to_owned()));
            }
            if matches!(server.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
                return Err(refused("TLS with anybody is no better than none".to_owned()));
            }
            // A loss is told of by a push message, which RESP3 has.
            let redis = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            target.servers.push(server.set_redis_settings(redis));
        }
        if target.servers.iter().any(|server| matches!(server.addr(), ConnectionAddr::TcpTls { .. })) {
            // The library takes the process's. One that is installed already is as good.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        for server in &target.servers {
            target.client(server.clone()).map_err(|error| SettingsError::Certificate(about(&error)))?;
        }
        Ok(target)
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster)
    }

    /// Makes a connection on which Redis has answered.
    pub(super) async fn connect(
        &self,
        endpoint: &Endpoint,
        on_lost: OnLost,
    ) -> RedisResult<MultiplexedConnection> {
        match (endpoint, &self.kind) {
            (Endpoint::Master(address), _) => self.serving(self.member(address), on_lost).await,
            (Endpoint::Whole, Kind::Sentinel { master, sentinel }) => {
                self.master(master, sentinel, on_lost).await
            }
            (Endpoint::Whole, _) => self.serving(self.servers[0].clone(), on_lost).await,
        }
    }

    /// Asks all servers of a Redis Cluster, those that are known by now and those that are configured, and takes the first
    /// answer.
    pub(super) async fn slots(&self, known: &Slots) -> RedisResult<Slots> {
        let mut servers = self.servers.clone();
        for address in known.masters() {
            let member = self.member(address);
            if servers.iter().all(|server| server.addr().to_string() != member.addr().to_string()) {
                servers.push(member);
            }
        }
        let mut asked: FuturesUnordered<_> =
            servers.into_iter().map(|server| self.ask_slots(server)).collect();
        let mut failure = RedisError::from((ErrorKind::Client, "nobody to ask"));
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(slots) => return Ok(slots),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask_slots(&self, server: ConnectionInfo) -> RedisResult<Slots> {
        let host = match server.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
            _ => String::new(),
        };
        let mut connection = self.asking(server).await?;
        let answer: redis::Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
        let slots = Slots::read(&answer, &host);
        slots.ok_or_else(|| (ErrorKind::Parse, "CLUSTER SLOTS was not answered with slots").into())
    }

    /// A member of the cluster is reached like the servers that are configured.
    fn member(&self, Address { host, port }: &Address) -> ConnectionInfo {
        at(&self.servers[0], host.to_string(), *port)
    }

    /// A connection for commands: Redis has answered on it that it would run a script that writes.
    async fn serving(&self, server: ConnectionInfo, on_lost: OnLost) -> RedisResult<MultiplexedConnection> {
        let config = self.config().set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                on_lost();
            }
            Ok::<_, ()>(())
        });
        let mut connection =
            self.client(server)?.get_multiplexed_async_connection_with_config(&config).await?;
        let probe = connection.send_packed_command(redis::cmd("EVAL").arg(PROBE).arg(0)).await;
        match failure::read(probe) {
            // One that is full, or whose version does not know the first line, still serves.
            Ok(_) | Err(Failure::Refused(_)) => Ok(connection),
            Err(failure) => Err((ErrorKind::Client, "it does not serve", failure.to_string()).into()),
        }
    }

    /// A connection to ask something.
    async fn asking(&self, server: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
        let config = self.config().set_response_timeout(Some(self.deadline));
        self.client(server)?.get_multiplexed_async_connection_with_config(&config).await
    }

    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_deadline))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(WAITING)
    }

    /// Asks one Sentinel after the other. One that was cut off may name a server that is a replica by now, and so does not
    /// serve.
    async fn master(
        &self,
        master: &str,
        sentinel: &RedisConnectionInfo,
        on_lost: OnLost,
    ) -> RedisResult<MultiplexedConnection> {
        let mut failure =
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no Sentinel knows a master"));
        for server in &self.servers {
            match self.ask_sentinel(server, master, sentinel, on_lost.clone()).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask_sentinel(
        &self,
        server: &ConnectionInfo,
        master: &str,
        sentinel: &RedisConnectionInfo,
        on_lost: OnLost,
    ) -> RedisResult<MultiplexedConnection> {
        let mut asked = self.asking(server.clone().set_redis_settings(sentinel.clone())).await?;
        let (host, port): (String, u16) =
            redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).query_async(&mut asked).await?;
        self.serving(at(server, host, port), on_lost).await
    }

    fn client(&self, server: ConnectionInfo) -> RedisResult<Client> {
        match &self.certificates {
            Some(certificates) if matches!(server.addr(), ConnectionAddr::TcpTls { .. }) => {
                Client::build_with_tls(server, certificates.clone())
            }
            _ => Client::open(server),
        }
    }
}

/// As this server, but elsewhere.
fn at(server: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let addr = match server.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    server.clone().set_addr(addr)
}

/// What the library says of an error; URLs, and so passwords, are not in it.
pub(super) fn about(error: &RedisError) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.category()),
        None => error.to_string(),
    }
}
