//! Redis behind TLS, with certificates on both sides, a user and a password.

use std::fs;

use flowhold_cluster::redis::{ClientCertificate, Redis, Settings};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

use crate::support::{Node, RedisServer, wait_until};
use crate::{Worker, settings};

/// A certificate authority.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for this name, and its key.
    fn certify(&self, name: &str) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem().into_bytes();
        ClientCertificate { chain, private_key: key.serialize_pem().into_bytes() }
    }
}

/// A server whose certificate is for 127.0.0.1.
fn start(authority: &Authority, files: &TempDir) -> RedisServer {
    let own = authority.certify("127.0.0.1");
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("ca.pem"), &authority.certificate).unwrap();
    fs::write(path("redis.pem"), &own.chain).unwrap();
    fs::write(path("redis.key"), &own.private_key).unwrap();
    let (ca, certificate, key) = (path("ca.pem"), path("redis.pem"), path("redis.key"));
    RedisServer::start_with(&[
        &["--port", "0", "--tls-port", "PORT", "--tls-ca-cert-file", &ca, "--tls-auth-clients", "yes"][..],
        &["--tls-cert-file", &certificate, "--tls-key-file", &key],
        &["--user", "node", "on", ">secret", "+@all", "~*", "--user", "default", "off"],
    ]
    .concat())
}

#[test]
fn both_sides_prove_who_they_are() {
    let (authority, files, worker) = (Authority::new(), tempfile::tempdir().unwrap(), Worker::start());
    let server = start(&authority, &files);
    let url = |login: &str, host: &str| format!("rediss://{login}@{host}:{}", server.port());
    let with = |url: String, ca: &Authority, certificate: Option<ClientCertificate>| {
        let ca = Some(ca.certificate.clone().into_bytes());
        Redis::new(Settings { ca, certificate, ..settings(url) }).unwrap()
    };
    let ours = || Some(authority.certify("node"));
    let good = with(url("node:secret", "127.0.0.1"), &authority, ours());
    // A handshake takes its time on a busy machine.
    wait_until("there is a connection", || worker.note(&good, "k").is_ok());

    let other = Authority::new();
    for (what, redis) in [
        ("another password", with(url("node:wrong", "127.0.0.1"), &authority, ours())),
        ("a server of another authority", with(url("node:secret", "127.0.0.1"), &other, ours())),
        ("a server of another name", with(url("node:secret", "localhost"), &authority, ours())),
        ("no certificate", with(url("node:secret", "127.0.0.1"), &authority, None)),
        (
            "a certificate of another authority",
            with(url("node:secret", "127.0.0.1"), &authority, Some(other.certify("node"))),
        ),
        ("no TLS", Redis::new(settings(format!("redis://node:secret@127.0.0.1:{}", server.port()))).unwrap()),
    ] {
        assert!(worker.note(&redis, "k").is_err(), "{what}");
    }
    assert!(worker.note(&good, "k").is_ok());
}

#[test]
fn a_node_takes_its_certificates_from_files() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = start(&authority, &files);
    let own = authority.certify("a");
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("a.pem"), &own.chain).unwrap();
    fs::write(path("a.key"), &own.private_key).unwrap();
    // It is ready only when it has its lease.
    let node = Node::start(&format!(
        "[location]\nstore = \"redis\"\nredis_url = \"rediss://node:secret@127.0.0.1:{}\"\n\
         redis_ca = \"{}\"\nredis_certificate = \"{}\"\nredis_private_key = \"{}\"\n\
         [cluster]\nlisten = \"127.0.0.1:0\"\nsecret = \"0123456789abcdef\"\n",
        server.port(),
        path("ca.pem"),
        path("a.pem"),
        path("a.key"),
    ));
    assert!(!node.log().contains("secret"));
}
