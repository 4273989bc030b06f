//! WSO2's `APIMaxTps`: what an API's endpoints can bear.

use domain::api::{MaxTps, RequestRate};
use domain::throttling_policy::TimeUnit;
use domain::validation::Check;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// More than this is answered 900801 (503). An absent number is no limit.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = APIMaxTps)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MaxTpsBody {
    #[serde(default)]
    production: Option<u64>,
    #[serde(default)]
    production_time_unit: Option<RateUnit>,
    #[serde(default)]
    sandbox: Option<u64>,
    #[serde(default)]
    sandbox_time_unit: Option<RateUnit>,
    /// Not offered: refused when it is enabled.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing)]
    token_based_throttling_configuration: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum RateUnit {
    #[default]
    Second,
    Minute,
    Hour,
}

impl MaxTpsBody {
    /// `None` where nothing is limited, as WSO2 writes it.
    pub(super) fn of(max_tps: MaxTps) -> Option<Self> {
        if max_tps == MaxTps::default() {
            return None;
        }
        let unit = |rate: Option<RequestRate>| rate.map(|rate| RateUnit::of(rate.unit));
        Some(Self {
            production: max_tps.production.map(|rate| rate.requests),
            production_time_unit: unit(max_tps.production),
            sandbox: max_tps.sandbox.map(|rate| rate.requests),
            sandbox_time_unit: unit(max_tps.sandbox),
            token_based_throttling_configuration: None,
        })
    }

    pub(super) fn into_max_tps(self, check: &mut Check) -> MaxTps {
        let configuration = self.token_based_throttling_configuration.as_ref();
        let is_enabled = configuration
            .and_then(|value| value.get("isTokenBasedThrottlingEnabled"))
            .is_some_and(|value| *value != Value::Bool(false));
        check.that(
            !is_enabled,
            "maxTps.tokenBasedThrottlingConfiguration",
            "is not offered",
        );
        let rate = |requests: Option<u64>, unit: Option<RateUnit>| {
            Some(RequestRate {
                requests: requests?,
                unit: unit.unwrap_or_default().time_unit(),
            })
        };
        MaxTps {
            production: rate(self.production, self.production_time_unit),
            sandbox: rate(self.sandbox, self.sandbox_time_unit),
        }
    }
}

impl RateUnit {
    const fn time_unit(self) -> TimeUnit {
        match self {
            Self::Second => TimeUnit::Second,
            Self::Minute => TimeUnit::Minute,
            Self::Hour => TimeUnit::Hour,
        }
    }

    /// A day is refused when an API is saved.
    const fn of(unit: TimeUnit) -> Self {
        match unit {
            TimeUnit::Second => Self::Second,
            TimeUnit::Minute => Self::Minute,
            TimeUnit::Hour | TimeUnit::Day => Self::Hour,
        }
    }
}
