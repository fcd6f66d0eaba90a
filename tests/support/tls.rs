//! Certificates, and a throwaway server that has them.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use teal::postgres::{Access, Target};
use teal::sandbox::Server;

/// A certificate and its key in PEM.
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: String,
}

/// Parameters of a certificate for these alternative names, with this common name.
pub fn names(alternatives: &[&str], common: &str) -> CertificateParams {
    let alternatives: Vec<String> = alternatives.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(alternatives).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params
}

/// The same, out of its time.
pub fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 2, 3);
    params
}

/// A certificate that is its own authority, as `openssl req -x509` makes it.
pub fn self_signed(mut params: CertificateParams) -> Signed {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    Signed { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = names(&[], name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub fn sign(&self, params: &CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        Signed { certificate: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    /// A list that revokes the certificates of these serial numbers.
    pub fn revokes(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| rcgen::RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: 1u64.into(),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A file that only its owner may read.
pub fn secret_file(path: &Path, text: &str) -> PathBuf {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

/// Gives the server this certificate, and the authorities of its clients.
pub async fn serve(server: &Server, signed: &Signed, clients: Option<&str>) {
    let owner = std::fs::metadata(server.folder()).unwrap();
    let file = |name: &str, text: &str| {
        let path = secret_file(&server.folder().join(name), text);
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        path.display().to_string()
    };
    let mut settings = vec![
        ("ssl_cert_file", file("server.crt", &signed.certificate)),
        ("ssl_key_file", file("server.key", &signed.key)),
        ("ssl", "on".to_owned()),
    ];
    settings.extend(clients.map(|clients| ("ssl_ca_file", file("clients.crt", clients))));
    set(server, &settings).await;
}

/// Sets settings of the server; a session that begins afterwards has them, and `pg_hba.conf` and certificates as they are.
pub async fn set(server: &Server, settings: &[(&str, String)]) {
    let admin = Target::parse("admin", &socket_url(server, "postgres")).unwrap();
    let admin = admin.connect(Access::ReadWrite).await.unwrap();
    // The postmaster tells its sessions to read the settings again, then reads all else, then accepts the next session:
    // once this session has seen a new value, the next one begins with everything.
    let mark = fastrand::u32(..1_000_000).to_string();
    for (name, value) in settings.iter().chain(&[("log_autovacuum_min_duration", mark.clone())]) {
        admin.run(&format!("ALTER SYSTEM SET {name} = '{value}'")).await.unwrap();
    }
    admin.run("SELECT pg_reload_conf()").await.unwrap();
    let seen = format!("SELECT setting = '{mark}' FROM pg_settings WHERE name = 'log_autovacuum_min_duration'");
    super::running::until_sql(&admin, &seen).await;
}

/// Replaces who may log in over the network, and how.
pub async fn let_in(server: &Server, lines: &str) {
    let hba = format!("local all all scram-sha-256\n{lines}\n");
    std::fs::write(server.folder().join("data/pg_hba.conf"), hba).unwrap();
    set(server, &[]).await;
}

/// The superuser's URL over the server's socket.
pub fn socket_url(server: &Server, database: &str) -> String {
    let folder = server.folder().display().to_string().replace('/', "%2F");
    format!("postgres://postgres:{}@{folder}:{}/{database}", password(server), server.port())
}

/// The superuser's password.
pub fn password(server: &Server) -> String {
    let url = server.url("postgres");
    url.trim_start_matches("postgres://postgres:").split('@').next().unwrap().to_owned()
}
