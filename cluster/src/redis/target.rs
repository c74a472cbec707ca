//! How a connection is made: to one Redis, to a Redis Cluster, or to the master that the Sentinels name.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError, RedisResult,
    TlsCertificates,
};

use super::settings::{Mode, Settings, SettingsError};

/// Commands that may wait to be written to one connection.
const WAITING: usize = 4096;

/// Told when a connection breaks.
pub(super) type OnLost = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) async fn call(&mut self, command: &Cmd) -> RedisResult<redis::Value> {
        use redis::aio::ConnectionLike;
        match self {
            Self::Server(connection) => connection.send_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
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
            // A loss is told of by a push message, which RESP3 has.
            let redis = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            target.servers.push(server.set_redis_settings(redis));
        }
        for server in &target.servers {
            target.client(server.clone()).map_err(|error| SettingsError::Certificate(about(&error)))?;
        }
        Ok(target)
    }

    /// Makes a connection on which Redis has answered.
    pub(super) async fn connect(&self, on_lost: OnLost) -> RedisResult<Connection> {
        match &self.kind {
            Kind::Single => Ok(Connection::Server(self.server(self.servers[0].clone(), on_lost).await?)),
            Kind::Cluster => self.cluster(on_lost).await,
            Kind::Sentinel { master, sentinel } => self.master(master, sentinel, on_lost).await,
        }
    }

    async fn server(&self, server: ConnectionInfo, on_lost: OnLost) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_deadline))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(WAITING)
            .set_push_sender(tell(on_lost));
        self.client(server)?.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn cluster(&self, on_lost: OnLost) -> RedisResult<Connection> {
        let mut builder = ClusterClientBuilder::new(self.servers.iter().cloned())
            .connection_timeout(self.connect_deadline)
            .response_timeout(self.deadline)
            .use_protocol(ProtocolVersion::RESP3)
            .push_sender(tell(on_lost));
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        Ok(Connection::Cluster(builder.build()?.get_async_connection().await?))
    }

    /// Asks one Sentinel after the other. One that was cut off may name a server that is no longer the master, so that
    /// server is asked too.
    async fn master(
        &self,
        master: &str,
        sentinel: &RedisConnectionInfo,
        on_lost: OnLost,
    ) -> RedisResult<Connection> {
        let mut failure =
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no Sentinel knows a master"));
        for server in &self.servers {
            match self.ask(server, master, sentinel, on_lost.clone()).await {
                Ok(connection) => return Ok(Connection::Server(connection)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask(
        &self,
        server: &ConnectionInfo,
        master: &str,
        sentinel: &RedisConnectionInfo,
        on_lost: OnLost,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_deadline))
            .set_response_timeout(Some(self.deadline));
        let at = server.clone().set_redis_settings(sentinel.clone());
        let mut asked = self.client(at)?.get_multiplexed_async_connection_with_config(&config).await?;
        let (host, port): (String, u16) =
            redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).query_async(&mut asked).await?;
        let addr = match server.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        let mut connection = self.server(server.clone().set_addr(addr), on_lost).await?;
        let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
        if role.first() != Some(&redis::Value::BulkString(b"master".to_vec())) {
            return Err((ErrorKind::Client, "the Sentinel names a server that is no master").into());
        }
        Ok(connection)
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

fn tell(on_lost: OnLost) -> impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static {
    move |push| {
        if push.kind == PushKind::Disconnection {
            on_lost();
        }
        Ok(())
    }
}

/// What the library says of an error; URLs, and so passwords, are not in it.
pub(super) fn about(error: &RedisError) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.category()),
        None => error.to_string(),
    }
}
