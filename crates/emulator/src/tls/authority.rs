//! The development CA: made once, kept in a data folder or in memory, exported as PEM.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::keys::private_file;

const DAY: std::time::Duration = std::time::Duration::from_hours(24);
/// Names that the server answers for, besides its addresses.
const SERVER_NAMES: [&str; 14] = [
    "localhost",
    "*.localhost",
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "*.ciamlogin.com",
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
    "entra.microsoft.com",
];

/// A certification authority that nobody trusts until they choose to.
///
/// Its key lives in the data folder (readable by its owner only) or dies with the process. Give it
/// the system's time, not the emulated one: TLS clients judge certificates by their own clock.
pub struct DevelopmentAuthority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What the server presents: leaf and CA certificate, and the leaf's key.
pub(crate) struct ServerCertificate {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl DevelopmentAuthority {
    /// Makes a new authority, valid for ten years from `now`, in memory.
    pub fn generate(now: Timestamp) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let (parameters, certificate) = authority_certificate(&key, now)?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(parameters, key),
        })
    }

    /// The authority kept in `folder` (`ca.pem`, `ca-key.pem`), made at `now` if there is none.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or its files are not what this wrote.
    pub fn open(folder: &Path, now: Timestamp) -> io::Result<Self> {
        let (certificate_file, key_file) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        match (
            std::fs::read_to_string(&certificate_file),
            std::fs::read_to_string(&key_file),
        ) {
            (Ok(certificate), Ok(key)) => Self::from_pem(certificate, &key),
            (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                Err(error)
            }
            // Half a pair is of no use: make a new one.
            _ => {
                let authority = Self::generate(now)?;
                std::fs::create_dir_all(folder)?;
                private_file(&key_file)?
                    .write_all(authority.issuer.key().serialize_pem().as_bytes())?;
                std::fs::write(&certificate_file, &authority.certificate_pem)?;
                Ok(authority)
            }
        }
    }

    /// The CA certificate as PEM: what clients are told to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for localhost, the loopback addresses and Microsoft's host names.
    ///
    /// Valid for 397 days from the day before `now`, the longest that clients accept.
    pub(crate) fn server_certificate(&self, now: Timestamp) -> io::Result<ServerCertificate> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let names: Vec<String> = SERVER_NAMES.iter().map(|&name| name.to_owned()).collect();
        let mut parameters = CertificateParams::new(names).map_err(io::Error::other)?;
        let loopback = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]
        .map(SanType::IpAddress);
        parameters.subject_alt_names.extend(loopback);
        parameters.distinguished_name = name("localhost");
        set_validity(&mut parameters, now, 397);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        let leaf = parameters
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        let authority = pem::parse(&self.certificate_pem).map_err(io::Error::other)?;
        Ok(ServerCertificate {
            chain: vec![
                leaf.der().clone(),
                CertificateDer::from(authority.into_contents()),
            ],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }

    fn from_pem(certificate_pem: String, key_pem: &str) -> io::Result<Self> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let key = KeyPair::from_pem(key_pem).map_err(invalid)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).map_err(invalid)?;
        Ok(Self {
            certificate_pem,
            issuer,
        })
    }
}

fn authority_certificate(
    key: &KeyPair,
    now: Timestamp,
) -> io::Result<(CertificateParams, Certificate)> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name("Entra emulator development CA");
    set_validity(&mut parameters, now, 3650);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = parameters.self_signed(key).map_err(io::Error::other)?;
    Ok((parameters, certificate))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Validity from the day before `now`, so that clocks may differ a little.
fn set_validity(parameters: &mut CertificateParams, now: Timestamp, days: u32) {
    let since_epoch = std::time::Duration::from_secs(now.as_second().max(0).unsigned_abs());
    parameters.not_before = date_time_ymd(1970, 1, 1) + since_epoch - DAY;
    parameters.not_after = parameters.not_before + DAY * days;
}
