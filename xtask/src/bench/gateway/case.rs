//! What is compared, under which load, and what we aim at.

use super::contestant::Contestant as C;

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) front: Front,
    pub(super) drive: Drive,
    /// The first is what the aims are about.
    pub(super) contestants: Vec<C>,
    pub(super) aims: Vec<Aim>,
}

/// What the clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    Http1,
    /// Without TLS, by prior knowledge.
    Http2,
    Tls,
}

/// Who sends, with which arguments.
pub(super) enum Drive {
    Load(&'static [&'static str]),
    H2load(&'static [&'static str]),
}

pub(super) struct Aim {
    pub(super) against: C,
    pub(super) measure: Measure,
    pub(super) ratio: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Requests a second: the ratio is the least.
    Throughput,
    /// 99 of 100 latencies: the ratio is the most.
    Latency,
}

const fn faster(against: C, ratio: f64) -> Aim {
    Aim {
        against,
        measure: Measure::Throughput,
        ratio,
    }
}

const fn no_slower(against: C, ratio: f64) -> Aim {
    Aim {
        against,
        measure: Measure::Latency,
        ratio,
    }
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "repeated",
            about: "one token again and again, 1 KB body",
            front: Front::Http1,
            drive: Drive::Load(&["--distinct", "1"]),
            contestants: vec![
                C::Claviger,
                C::Nginx,
                C::NginxLog,
                C::Haproxy,
                C::HaproxyJwt,
                C::HaproxyMemo,
                C::Envoy,
                C::EnvoyJwt,
            ],
            aims: vec![
                faster(C::Nginx, 1.1),
                faster(C::EnvoyJwt, 2.6),
                faster(C::HaproxyJwt, 3.3),
                faster(C::HaproxyMemo, 1.8),
            ],
        },
        Case {
            name: "rotating",
            about: "10,000 tokens in rotation, 1 KB body",
            front: Front::Http1,
            drive: Drive::Load(&["--distinct", "10000"]),
            contestants: vec![
                C::Claviger,
                C::Nginx,
                C::HaproxyJwt,
                C::HaproxyMemo,
                C::EnvoyJwt,
            ],
            aims: vec![
                faster(C::Nginx, 1.1),
                faster(C::EnvoyJwt, 2.6),
                faster(C::HaproxyJwt, 3.3),
                faster(C::HaproxyMemo, 1.8),
            ],
        },
        Case {
            name: "new",
            about: "every token new, 1 KB body",
            front: Front::Http1,
            drive: Drive::Load(&["--distinct", "200000", "--once"]),
            contestants: vec![C::Claviger, C::HaproxyJwt, C::EnvoyJwtNoCache],
            aims: vec![faster(C::EnvoyJwtNoCache, 2.3), faster(C::HaproxyJwt, 1.7)],
        },
        Case {
            name: "large",
            about: "one token, 100 KB body",
            front: Front::Http1,
            drive: Drive::Load(&["--distinct", "1", "--resource", "large"]),
            contestants: vec![C::Claviger, C::Nginx],
            aims: vec![faster(C::Nginx, 1.0)],
        },
        Case {
            name: "http2",
            about: "one token, 1 KB body, HTTP/2 from clients",
            front: Front::Http2,
            drive: Drive::H2load(&["-c", "8", "-m", "16"]),
            contestants: vec![C::Claviger, C::Nginx],
            aims: vec![faster(C::Nginx, 1.0)],
        },
        Case {
            name: "tls",
            about: "one token, 1 KB body, HTTP/1.1 over TLS from clients",
            front: Front::Tls,
            drive: Drive::H2load(&["-c", "32", "--h1"]),
            contestants: vec![C::Claviger, C::Nginx],
            aims: vec![faster(C::Nginx, 1.0)],
        },
        Case {
            name: "latency",
            about: "10,000 requests a second, 64 connections, 10,000 tokens in rotation",
            front: Front::Http1,
            drive: Drive::Load(&[
                "--distinct",
                "10000",
                "--rate",
                "10000",
                "--connections",
                "64",
            ]),
            contestants: vec![C::Claviger, C::Nginx],
            aims: vec![no_slower(C::Nginx, 1.0)],
        },
        Case {
            name: "changes",
            about: "10,000 requests a second while 1,000 changes a second are published",
            front: Front::Http1,
            drive: Drive::Load(&[
                "--distinct",
                "10000",
                "--rate",
                "10000",
                "--connections",
                "64",
            ]),
            contestants: vec![C::LibraryChanging, C::Library],
            aims: vec![no_slower(C::Library, 1.2)],
        },
    ]
}

impl Case {
    pub(super) fn tokens(&self) -> usize {
        let Drive::Load(arguments) = &self.drive else {
            return 1;
        };
        arguments
            .iter()
            .skip_while(|argument| **argument != "--distinct")
            .nth(1)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1)
    }

    /// A fixed rate leaves the core time to rest.
    pub(super) fn saturates(&self) -> bool {
        !matches!(&self.drive, Drive::Load(arguments) if arguments.contains(&"--rate"))
    }
}
