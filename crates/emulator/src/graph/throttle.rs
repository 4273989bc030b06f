//! Throttling by resource units and writes: per application in a tenant, and the writes of a tenant and
//! of an application in all (Microsoft: *Microsoft Graph service-specific throttling limits*).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use http::Method;
use jiff::Timestamp;
use uuid::Uuid;

use super::Call;

const UNIT_WINDOW_SECONDS: i64 = 10;
const WRITE_WINDOW_SECONDS: i64 = 150;
const WRITES: u32 = 3000;
/// All applications of a tenant together.
const TENANT_WINDOW_SECONDS: i64 = 300;
const TENANT_WRITES: u32 = 18_000;
/// One application in all tenants together.
const APPLICATION_WINDOW_SECONDS: i64 = 300;
const APPLICATION_WRITES: u32 = 70_000;
/// Applications that are remembered; older windows are forgotten first.
const MAXIMUM_APPLICATIONS: usize = 10_000;

/// What each application has used.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    used: Mutex<HashMap<(Uuid, Uuid), Used>>,
    /// Writes of a tenant or of an application: the ids of both never meet.
    sums: Mutex<HashMap<Uuid, Sum>>,
}

/// Writes in one window.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    window: i64,
    writes: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    unit_window: i64,
    units: u32,
    write_window: i64,
    writes: u32,
}

/// What a call cost, or why it is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Served: what it cost, and the part of the limit that is used (1 is all).
    Served { units: u32, used: f64 },
    /// Refused for so many seconds.
    Refused {
        retry_after: u64,
        scope: &'static str,
        information: &'static str,
    },
}

impl Throttle {
    /// Charges `calls` to an application. A batch is charged as a whole.
    pub(crate) fn charge(
        &self,
        tenant: Uuid,
        app_id: Uuid,
        people: usize,
        units: u32,
        writes: u32,
        now: Timestamp,
    ) -> Verdict {
        let limit = match people {
            0..=49 => 3500,
            50..=500 => 5000,
            _ => 8000,
        };
        let seconds = now.as_second();
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAXIMUM_APPLICATIONS {
            all.retain(|_, used| used.write_window == seconds.div_euclid(WRITE_WINDOW_SECONDS));
        }
        let used = all.entry((tenant, app_id)).or_default();
        used.enter(seconds);
        if used.units + units > limit {
            return Verdict::Refused {
                retry_after: remaining(seconds, UNIT_WINDOW_SECONDS),
                scope: "Tenant_Application/ReadWrite",
                information: "ResourceUnitLimitExceeded",
            };
        }
        if used.writes + writes > WRITES {
            return Verdict::Refused {
                retry_after: remaining(seconds, WRITE_WINDOW_SECONDS),
                scope: "Tenant_Application/Write",
                information: "WriteLimitExceeded",
            };
        }
        if let Some(refused) = self.sum_up(tenant, app_id, writes, seconds) {
            return refused;
        }
        used.units += units;
        used.writes += writes;
        Verdict::Served {
            units,
            used: f64::from(used.units) / f64::from(limit),
        }
    }

    /// Charges writes to the tenant and to the application, or to neither.
    fn sum_up(&self, tenant: Uuid, app_id: Uuid, writes: u32, seconds: i64) -> Option<Verdict> {
        let limits = [
            (tenant, TENANT_WINDOW_SECONDS, TENANT_WRITES, "Tenant/Write"),
            (
                app_id,
                APPLICATION_WINDOW_SECONDS,
                APPLICATION_WRITES,
                "Application/Write",
            ),
        ];
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.len() >= MAXIMUM_APPLICATIONS {
            let current = seconds.div_euclid(TENANT_WINDOW_SECONDS);
            sums.retain(|_, sum| sum.window == current);
        }
        for (id, length, limit, scope) in limits {
            let sum = sums.entry(id).or_default();
            let window = seconds.div_euclid(length);
            if sum.window != window {
                *sum = Sum { window, writes: 0 };
            }
            if sum.writes + writes > limit {
                return Some(Verdict::Refused {
                    retry_after: remaining(seconds, length),
                    scope,
                    information: "WriteLimitExceeded",
                });
            }
        }
        for (id, ..) in limits {
            sums.entry(id).or_default().writes += writes;
        }
        None
    }

    /// Forgets what was used.
    pub(crate) fn reset(&self) {
        self.sums
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Used {
    fn enter(&mut self, seconds: i64) {
        let unit_window = seconds.div_euclid(UNIT_WINDOW_SECONDS);
        if self.unit_window != unit_window {
            (self.unit_window, self.units) = (unit_window, 0);
        }
        let write_window = seconds.div_euclid(WRITE_WINDOW_SECONDS);
        if self.write_window != write_window {
            (self.write_window, self.writes) = (write_window, 0);
        }
    }
}

/// What a call costs in resource units.
pub(crate) fn cost(call: &Call) -> u32 {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    if call.method != Method::GET {
        return 1;
    }
    let path = path.trim_start_matches('/').to_ascii_lowercase();
    let is_dear = path.starts_with("applications")
        || path.starts_with("oauth2permissiongrants")
        || path.contains("approleassign");
    let query = query.replace("%24", "$");
    let options = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let mut cost: u32 = if is_dear { 2 } else { 1 };
    if options("$expand").is_some() {
        cost += 1;
    }
    if options("$select").is_some() {
        cost -= 1;
    }
    if options("$top")
        .and_then(|top| top.parse::<u32>().ok())
        .is_some_and(|top| top < 20)
    {
        cost = cost.saturating_sub(1);
    }
    cost.max(1)
}

fn remaining(seconds: i64, window: i64) -> u64 {
    u64::try_from(window - seconds.rem_euclid(window)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn an_application_is_refused_until_its_window_ends() {
        let throttle = Throttle::default();
        let (tenant, app) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let charge = |units, seconds| throttle.charge(tenant, app, 1, units, 0, at(seconds));
        assert_eq!(
            charge(3500, 1000),
            Verdict::Served {
                units: 3500,
                used: 1.0
            }
        );
        assert_eq!(
            charge(1, 1003),
            Verdict::Refused {
                retry_after: 7,
                scope: "Tenant_Application/ReadWrite",
                information: "ResourceUnitLimitExceeded"
            }
        );
        assert!(matches!(charge(1, 1010), Verdict::Served { .. }));
    }

    #[test]
    fn writes_have_a_limit_of_their_own_and_others_are_not_touched() {
        let throttle = Throttle::default();
        let (tenant, app) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(matches!(
            throttle.charge(tenant, app, 1, 1, 3000, at(1500)),
            Verdict::Served { .. }
        ));
        assert!(matches!(
            throttle.charge(tenant, app, 1, 1, 1, at(1520)),
            Verdict::Refused {
                retry_after: 130,
                information: "WriteLimitExceeded",
                ..
            }
        ));
        assert!(matches!(
            throttle.charge(tenant, Uuid::from_u128(3), 1, 1, 1, at(1520)),
            Verdict::Served { .. }
        ));
    }

    #[test]
    fn the_applications_of_a_tenant_and_the_tenants_of_an_application_share_a_limit() {
        let scope_after = |ids: &mut dyn Iterator<Item = (Uuid, Uuid)>| {
            let throttle = Throttle::default();
            let verdicts =
                ids.map(|(tenant, app)| throttle.charge(tenant, app, 1, 1, 3000, at(1500)));
            verdicts
                .filter_map(|verdict| match verdict {
                    Verdict::Served { .. } => None,
                    Verdict::Refused { scope, .. } => Some(scope),
                })
                .collect::<Vec<_>>()
        };
        let one = Uuid::from_u128(1_000_000);
        let mut tenant = (1..=7).map(|app| (one, Uuid::from_u128(app)));
        assert_eq!(scope_after(&mut tenant), ["Tenant/Write"]);
        let mut application = (1..=24).map(|tenant| (Uuid::from_u128(tenant), one));
        assert_eq!(scope_after(&mut application), ["Application/Write"]);
    }
}
