//! WSO2's three REST APIs and the OAuth endpoints: where each is mounted, its routes and its document.

pub(crate) mod admin;
pub(crate) mod developer_portal;
pub(crate) mod publisher;
mod throttling_policy_body;

use control::Control;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{oauth, openapi};

/// One REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Admin,
    Publisher,
    DeveloperPortal,
    OAuth,
}

impl Api {
    pub(crate) const ALL: [Self; 4] = [
        Self::Admin,
        Self::Publisher,
        Self::DeveloperPortal,
        Self::OAuth,
    ];

    /// Where the document's paths begin.
    pub(crate) const fn base(self) -> &'static str {
        match self {
            Self::Admin => "/api/am/admin/v4",
            Self::Publisher => "/api/am/publisher/v4",
            Self::DeveloperPortal => "/api/am/devportal/v3",
            Self::OAuth => "",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Admin => "Claviger admin API",
            Self::Publisher => "Claviger publisher API",
            Self::DeveloperPortal => "Claviger developer portal API",
            Self::OAuth => "Claviger client registration and OAuth 2.0",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Admin => {
                "Key managers and what an administrator watches. Compatible with WSO2 API Manager's admin API v4 where both have an operation."
            }
            Self::Publisher => {
                "From an OpenAPI document to a deployed, published API. Compatible with WSO2 API Manager's publisher API v4 where both have an operation."
            }
            Self::DeveloperPortal => {
                "Applications, their keys and subscriptions. Compatible with WSO2 API Manager's developer portal API v3 where both have an operation."
            }
            Self::OAuth => {
                "How scripts obtain access tokens for the other APIs: dynamic client registration v0.17, then the token endpoint (RFC 6749, RFC 7009)."
            }
        }
    }

    /// The file under `docs/openapi`.
    pub(crate) const fn file_name(self) -> &'static str {
        match self {
            Self::Admin => "admin.json",
            Self::Publisher => "publisher.json",
            Self::DeveloperPortal => "devportal.json",
            Self::OAuth => "oauth.json",
        }
    }

    /// Where the document is served.
    pub(crate) const fn document_path(self) -> &'static str {
        match self {
            Self::Admin => "/api/am/admin/v4/openapi.json",
            Self::Publisher => "/api/am/publisher/v4/openapi.json",
            Self::DeveloperPortal => "/api/am/devportal/v3/openapi.json",
            Self::OAuth => "/oauth2/openapi.json",
        }
    }

    pub(crate) fn routes(self) -> OpenApiRouter<Control> {
        let skeleton = openapi::skeleton(self.title(), self.description(), self.base());
        let router = OpenApiRouter::with_openapi(skeleton);
        match self {
            Self::Admin => admin::routes(router),
            Self::Publisher => publisher::routes(router),
            Self::DeveloperPortal => developer_portal::routes(router),
            Self::OAuth => oauth::routes(router),
        }
    }

    pub(crate) fn document(self) -> OpenApi {
        openapi::complete(self.routes().into_openapi())
    }
}
