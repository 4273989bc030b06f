//! The contestants: how each is configured, started and told to listen.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::case::Front;
use super::place::{Place, free_port};
use super::process::Running;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    Claviger,
    /// The gateway library without `server`, without access log.
    Library,
    /// … while changes are published.
    LibraryChanging,
    Nginx,
    NginxLog,
    Haproxy,
    HaproxyJwt,
    HaproxyMemo,
    Envoy,
    EnvoyJwt,
    EnvoyJwtNoCache,
}

impl Contestant {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Claviger => "claviger",
            Self::Library => "library, quiet",
            Self::LibraryChanging => "library, changing",
            Self::Nginx => "nginx, plain",
            Self::NginxLog => "nginx, log",
            Self::Haproxy => "haproxy, plain",
            Self::HaproxyJwt => "haproxy, jwt_verify",
            Self::HaproxyMemo => "haproxy, memo",
            Self::Envoy => "Envoy, plain",
            Self::EnvoyJwt => "Envoy, jwt cached",
            Self::EnvoyJwtNoCache => "Envoy, jwt uncached",
        }
    }

    /// Whether it looks at tokens at all.
    pub(super) const fn authenticates(self) -> bool {
        !matches!(
            self,
            Self::Nginx | Self::NginxLog | Self::Haproxy | Self::Envoy
        )
    }

    pub(super) const fn needs_envoy(self) -> bool {
        matches!(self, Self::Envoy | Self::EnvoyJwt | Self::EnvoyJwtNoCache)
    }

    pub(super) fn start(self, place: &Place, front: Front) -> Result<Running, String> {
        let port = free_port()?;
        let mut command = match self {
            Self::Claviger if place.is_library => library(place, port, 0, true),
            Self::Claviger => claviger(place, port, front),
            Self::Library => library(place, port, 0, false),
            Self::LibraryChanging => library(place, port, 1_000, false),
            Self::Nginx | Self::NginxLog => nginx(place, port, front, self == Self::NginxLog)?,
            Self::Haproxy => haproxy(place, port, "haproxy.cfg")?,
            Self::HaproxyJwt => haproxy(place, port, "haproxy-jwt.cfg")?,
            Self::HaproxyMemo => haproxy(place, port, "haproxy-memo.cfg")?,
            Self::Envoy => envoy(place, port, "envoy.yaml")?,
            Self::EnvoyJwt => envoy(place, port, "envoy-jwt.yaml")?,
            Self::EnvoyJwtNoCache => envoy(place, port, "envoy-jwt-nocache.yaml")?,
        };
        Running::start(&mut command, port, &place.work.join("contestant.log"))
    }
}

/// On the contestant's core.
fn pinned(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

fn claviger(place: &Place, port: u16, front: Front) -> Command {
    let mut command = pinned(&place.claviger);
    command
        .args(["gateway", "--snapshot"])
        .arg(place.data.join("snapshot.json"))
        .current_dir(&place.work)
        .env("CLAVIGER_DATA_FOLDER", place.work.join("claviger"))
        .env("CLAVIGER_GATEWAY_LISTEN", format!("127.0.0.1:{port}"))
        .env("CLAVIGER_GATEWAY_MONITORING_LISTEN", "127.0.0.1:0")
        .env("CLAVIGER_GATEWAY_WORKERS", "1")
        .env(
            "CLAVIGER_GATEWAY_ACCESS_LOG_FILE",
            place.work.join("access.log"),
        )
        .env("CLAVIGER_LOG_FORMAT", "json");
    if front == Front::Tls {
        command
            .env(
                "CLAVIGER_GATEWAY_TLS_CERTIFICATE_FILE",
                place.data.join("tls.pem"),
            )
            .env("CLAVIGER_GATEWAY_TLS_KEY_FILE", place.data.join("tls.key"));
    }
    command
}

fn library(place: &Place, port: u16, changes: u32, has_log: bool) -> Command {
    let mut command = pinned(&place.tools);
    command
        .arg("node")
        .arg(&place.data)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--changes", &changes.to_string()]);
    if has_log {
        command.arg("--log").arg(place.work.join("access.log"));
    }
    command
}

fn nginx(place: &Place, port: u16, front: Front, has_log: bool) -> Result<Command, String> {
    let log = if has_log {
        format!(
            "log_format json escape=json '{{\"time\":\"$time_iso8601\",\"method\":\"$request_method\",\"path\":\"$uri\",\
             \"status\":$status,\"client\":\"$remote_addr\",\"request\":\"$request_id\",\"bytes\":$body_bytes_sent,\
             \"upstream\":\"$upstream_response_time\",\"total\":\"$request_time\"}}';\n\
             access_log {}/nginx.log json buffer=64k flush=1s;\n",
            place.work.display()
        )
    } else {
        "access_log off;\n".to_owned()
    };
    let headers = if has_log {
        "proxy_set_header Authorization \"\";\nproxy_set_header X-Request-Id $request_id;\n\
         proxy_set_header X-Forwarded-For $remote_addr;\nproxy_set_header X-Forwarded-Host $host;\n\
         proxy_set_header X-Forwarded-Proto $scheme;\n"
    } else {
        ""
    };
    let (listen, tls) = match front {
        Front::Http1 => ("", String::new()),
        Front::Http2 => (" http2", String::new()),
        Front::Tls => (
            " ssl",
            format!(
                "ssl_certificate {0}/tls.pem;\nssl_certificate_key {0}/tls.key;\nssl_protocols TLSv1.2 TLSv1.3;\n",
                place.data.display()
            ),
        ),
    };
    for (name, text) in [
        ("log.conf", log.as_str()),
        ("headers.conf", headers),
        ("tls.conf", tls.as_str()),
    ] {
        write(&place.work.join(name), text)?;
    }
    let file = configure(place, port, "nginx.conf", &[("{{NGINX_LISTEN}}", listen)])?;
    let mut command = pinned("nginx");
    command.arg("-p").arg(&place.work).arg("-c").arg(file);
    Ok(command)
}

fn haproxy(place: &Place, port: u16, name: &str) -> Result<Command, String> {
    let file = configure(place, port, name, &[])?;
    let mut command = pinned("haproxy");
    command.args(["-db", "-q", "-f"]).arg(file);
    Ok(command)
}

fn envoy(place: &Place, port: u16, name: &str) -> Result<Command, String> {
    let file = configure(place, port, name, &[])?;
    let mut command = pinned(&place.envoy);
    command
        .args(["--concurrency", "1", "--use-dynamic-base-id"])
        .args(["--log-level", "warn", "-c"])
        .arg(file);
    Ok(command)
}

/// Fills a peer's configuration in.
fn configure(
    place: &Place,
    port: u16,
    name: &str,
    more: &[(&str, &str)],
) -> Result<std::path::PathBuf, String> {
    let template = place.repository.join("bench/peers").join(name);
    let mut text = fs::read_to_string(&template)
        .map_err(|error| format!("{}: {error}", template.display()))?;
    let (host, upstream_port) = place
        .upstream
        .rsplit_once(':')
        .ok_or("the upstream has no port")?;
    let (port, work, data) = (
        port.to_string(),
        place.work.display().to_string(),
        place.data.display().to_string(),
    );
    for (name, value) in [
        ("{{LISTEN}}", format!("127.0.0.1:{port}").as_str()),
        ("{{LISTEN_HOST}}", "127.0.0.1"),
        ("{{LISTEN_PORT}}", &port),
        ("{{UPSTREAM}}", &place.upstream),
        ("{{UPSTREAM_HOST}}", host),
        ("{{UPSTREAM_PORT}}", upstream_port),
        ("{{WORK}}", &work),
        ("{{DATA}}", &data),
    ]
    .iter()
    .chain(more)
    {
        text = text.replace(name, value);
    }
    let file = place.work.join(name);
    write(&file, &text)?;
    Ok(file)
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
