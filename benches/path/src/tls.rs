//! TLS for the sink: a certificate of its own, which programs are told to trust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Fault;

const SETTINGS: &str = "[req]\ndistinguished_name=name\nx509_extensions=leaf\n[name]\n[leaf]\n\
                        basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";

/// Accepts TLS connections to 127.0.0.1; programs trust `certificate` by `SSL_CERT_FILE`.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) certificate: PathBuf,
}

impl Tls {
    /// With a certificate that OpenSSL makes in this folder.
    pub(crate) fn make(folder: &Path) -> Result<Self, Fault> {
        let [settings, key, certificate] = ["tls.cnf", "key.pem", "certificate.pem"].map(|name| folder.join(name));
        fs::write(&settings, SETTINGS)?;
        let mut make = Command::new("openssl");
        make.args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=bench", "-newkey", "ec", "-pkeyopt"]);
        make.args(["ec_paramgen_curve:prime256v1", "-config"]).arg(settings);
        let made = make.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output()?;
        if !made.status.success() {
            return Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let chain = vec![CertificateDer::from_pem_file(&certificate)?];
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(chain, PrivateKeyDer::from_pem_file(&key)?)?;
        Ok(Self { acceptor: Arc::new(config).into(), certificate: certificate.canonicalize()? })
    }
}
