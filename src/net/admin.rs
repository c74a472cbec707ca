//! HTTP for operators: `GET /metrics`, `GET /healthz` and `GET /bindings/AOR`, and nothing else.
//!
//! It shares the process with flows, so it is bounded: a few connections at a time, a short time for each request's head
//! and for the whole of each connection, no request body.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::metrics;

/// Connections at a time; the next one waits to be accepted.
const MAX_CONNECTIONS: usize = 32;
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last, reused or not, so that idle ones do not keep others out.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait when accepting fails, as it does when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What `/healthz` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The node is about to serve, when it is a member of its cluster.
    Starting,
    /// The node serves.
    Ok,
    /// It is about to end: load balancers send it nobody else.
    Draining,
}

/// Why there are no bindings to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBindings {
    /// What was asked for is none.
    #[error("an address-of-record is NAME@DOMAIN")]
    NotAnAor,
    /// The location service cannot be reached; ask again after this.
    #[error("the location service is unavailable")]
    Unavailable(Duration),
}

/// Whoever knows what operators ask for.
pub trait Reports: Send + Sync + 'static {
    /// The text of `/metrics`, made anew.
    fn metrics(&self) -> String;

    /// What the node is about.
    fn health(&self) -> Health;

    /// The bindings of an address-of-record, as JSON.
    fn bindings<'a>(&'a self, aor: &'a str) -> BoxFuture<'a, Result<String, NoBindings>>;
}

/// Serves `listener` until the future is dropped.
pub async fn serve<T: Reports>(listener: TcpListener, reports: Arc<T>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_connection(stream, Arc::clone(&reports), place));
            }
            Err(error) => {
                warn!(%error, "the admin listener cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection<T: Reports>(stream: TcpStream, reports: Arc<T>, _place: OwnedSemaphorePermit) {
    let service = service_fn(move |request| {
        let reports = Arc::clone(&reports);
        async move { Ok::<_, Infallible>(answer(&request, &*reports).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
        debug!(%error, "an admin connection failed");
    }
}

async fn answer(request: &Request<Incoming>, reports: &impl Reports) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => of_type(metrics::CONTENT_TYPE, reports.metrics()),
        "/healthz" => match reports.health() {
            Health::Starting => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Health::Ok => text(StatusCode::OK, "ok\n"),
            Health::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        },
        // URIs of SIP are escaped as those of HTTP are, so whoever reads the one reads the other.
        path => match path.strip_prefix("/bindings/") {
            Some(aor) => bindings(reports.bindings(aor).await),
            None => text(StatusCode::NOT_FOUND, "there is /metrics, /healthz and /bindings/NAME@DOMAIN\n"),
        },
    }
}

fn bindings(found: Result<String, NoBindings>) -> Response<Full<Bytes>> {
    let error = match found {
        Ok(json) => return of_type("application/json", json),
        Err(error) => error,
    };
    let status = match error {
        NoBindings::NotAnAor => StatusCode::BAD_REQUEST,
        NoBindings::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = text(status, format!("{error}\n"));
    if let NoBindings::Unavailable(after) = error {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn of_type(content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Node;

    impl Reports for Node {
        fn metrics(&self) -> String {
            "flowhold_bindings 7\n# EOF\n".to_owned()
        }

        fn health(&self) -> Health {
            Health::Ok
        }

        fn bindings<'a>(&'a self, aor: &'a str) -> BoxFuture<'a, Result<String, NoBindings>> {
            Box::pin(async move {
                match aor {
                    "alice@a" => Ok("{}".to_owned()),
                    "bob@a" => Err(NoBindings::Unavailable(Duration::from_millis(1200))),
                    _ => Err(NoBindings::NotAnAor),
                }
            })
        }
    }

    async fn started() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::new(Node)));
        address
    }

    async fn exchange(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        exchange(started().await, &request).await
    }

    #[tokio::test]
    async fn metrics_are_rendered_at_each_request() {
        let answer = get("/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
        assert!(answer.ends_with("flowhold_bindings 7\n# EOF\n"), "{answer}");
    }

    #[tokio::test]
    async fn health_is_ok_and_the_rest_is_not_found() {
        assert!(get("/healthz").await.ends_with("\r\n\r\nok\n"));
        assert!(get("/").await.starts_with("HTTP/1.1 404 "));
    }

    #[tokio::test]
    async fn bindings_are_of_the_address_of_record_in_the_path() {
        let answer = get("/bindings/alice@a").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n{}"), "{answer}");
        assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
        assert!(get("/bindings/").await.starts_with("HTTP/1.1 400 "));
        let answer = get("/bindings/bob@a").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 2\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn nothing_but_reading_is_allowed() {
        let answer = exchange(
            started().await,
            "POST /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_closes_the_connection() {
        let begun = tokio::time::Instant::now();
        let answer = exchange(started().await, "GET /metrics HTTP/1.1\r\n").await;
        assert!(!answer.contains("200"), "{answer}");
        assert!(begun.elapsed() <= HEAD_TIMEOUT + Duration::from_secs(1));
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_for_a_place() {
        let address = started().await;
        let mut idle = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            // Each is known to be served before the next comes.
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            assert_ne!(stream.read(&mut [0; 512]).await.unwrap(), 0);
            idle.push(stream);
        }
        let request = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut waiting = tokio::spawn(exchange(address, request));
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
        idle.pop();
        assert!(waiting.await.unwrap().ends_with("ok\n"));
    }
}
