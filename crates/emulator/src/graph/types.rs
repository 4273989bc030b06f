//! The Graph types of request bodies, as tables for `schema`.

use super::schema::{Property, Shape, property, read_only};

const SHORT: Shape = Shape::Text(256);
const TEXTS: Shape = Shape::List(&Shape::RequiredText(256));
const URIS: Shape = Shape::List(&Shape::RequiredText(2048));
const GUIDS: Shape = Shape::List(&Shape::Guid);
const OPEN_LIST: Shape = Shape::List(&Shape::Open);

/// `application`.
pub(crate) const APPLICATION: &[Property] = &[
    read_only("id"),
    read_only("appId"),
    read_only("applicationTemplateId"),
    read_only("createdByAppId"),
    read_only("createdDateTime"),
    read_only("deletedDateTime"),
    read_only("disabledByMicrosoftStatus"),
    read_only("publisherDomain"),
    read_only("verifiedPublisher"),
    read_only("certification"),
    read_only("uniqueName"),
    property("displayName", Shape::RequiredText(256)),
    property("description", Shape::Text(1024)),
    property("signInAudience", Shape::RequiredText(256)),
    property("identifierUris", URIS),
    property("tags", TEXTS),
    property("notes", Shape::Text(1024)),
    property("isDisabled", Shape::Bool),
    property("groupMembershipClaims", SHORT),
    property("isDeviceOnlyAuthSupported", Shape::Bool),
    property("isFallbackPublicClient", Shape::Bool),
    property("serviceManagementReference", SHORT),
    property("tokenEncryptionKeyId", Shape::Guid),
    property("samlMetadataUrl", Shape::Text(2048)),
    property("defaultRedirectUri", Shape::Text(2048)),
    property("api", Shape::Complex(API)),
    property("appRoles", Shape::List(&Shape::Complex(APP_ROLE))),
    property(
        "requiredResourceAccess",
        Shape::List(&Shape::Complex(REQUIRED_RESOURCE_ACCESS)),
    ),
    property("optionalClaims", Shape::Optional(OPTIONAL_CLAIMS)),
    property("web", Shape::Complex(WEB)),
    property("spa", Shape::Complex(REDIRECT_URIS)),
    property("publicClient", Shape::Complex(REDIRECT_URIS)),
    property("info", Shape::Complex(INFORMATIONAL_URL)),
    property(
        "passwordCredentials",
        Shape::List(&Shape::Complex(PASSWORD_CREDENTIAL)),
    ),
    property(
        "keyCredentials",
        Shape::List(&Shape::Complex(KEY_CREDENTIAL)),
    ),
    property("addIns", OPEN_LIST),
    property("parentalControlSettings", Shape::Complex(PARENTAL_CONTROL)),
    property("requestSignatureVerification", Shape::Open),
    property("servicePrincipalLockConfiguration", Shape::Open),
    property("authenticationBehaviors", Shape::Open),
];

/// `servicePrincipal`.
pub(crate) const SERVICE_PRINCIPAL: &[Property] = &[
    read_only("id"),
    read_only("appDisplayName"),
    read_only("appDescription"),
    read_only("appOwnerOrganizationId"),
    read_only("createdDateTime"),
    read_only("deletedDateTime"),
    read_only("signInAudience"),
    read_only("oauth2PermissionScopes"),
    read_only("appRoles"),
    property("appId", Shape::Guid),
    property("displayName", Shape::RequiredText(256)),
    property("accountEnabled", Shape::Bool),
    property("appRoleAssignmentRequired", Shape::Bool),
    property("description", Shape::Text(1024)),
    property("notes", Shape::Text(1024)),
    property("tags", TEXTS),
    property("servicePrincipalNames", URIS),
    property("servicePrincipalType", SHORT),
    property("alternativeNames", TEXTS),
    property("homepage", Shape::Text(2048)),
    property("loginUrl", Shape::Text(2048)),
    property("logoutUrl", Shape::Text(2048)),
    property("replyUrls", URIS),
    property("notificationEmailAddresses", TEXTS),
    property("preferredSingleSignOnMode", SHORT),
];

/// `appRoleAssignment`.
pub(crate) const APP_ROLE_ASSIGNMENT: &[Property] = &[
    read_only("id"),
    property("principalId", Shape::Guid),
    property("resourceId", Shape::Guid),
    property("appRoleId", Shape::Guid),
    // Clients echo what a read gave them; the directory decides these itself.
    property("createdDateTime", Shape::Time),
    property("deletedDateTime", Shape::Time),
    property("principalDisplayName", SHORT),
    property("principalType", SHORT),
    property("resourceDisplayName", SHORT),
];

/// `oAuth2PermissionGrant`.
pub(crate) const PERMISSION_GRANT: &[Property] = &[
    read_only("id"),
    property("clientId", Shape::Guid),
    property("consentType", SHORT),
    property("principalId", Shape::Guid),
    property("resourceId", Shape::Guid),
    property("scope", Shape::Text(8192)),
    property("startTime", Shape::Time),
    property("expiryTime", Shape::Time),
];

/// `federatedIdentityCredential`.
pub(crate) const FEDERATED_IDENTITY_CREDENTIAL: &[Property] = &[
    read_only("id"),
    property("name", SHORT),
    property("issuer", Shape::Text(600)),
    property("subject", Shape::Text(600)),
    property("audiences", Shape::List(&Shape::Text(600))),
    property("description", Shape::Text(600)),
];

/// `passwordCredential`.
pub(crate) const PASSWORD_CREDENTIAL: &[Property] = &[
    property("displayName", SHORT),
    property("startDateTime", Shape::Time),
    property("endDateTime", Shape::Time),
    // Echoed by clients; the directory chooses them.
    property("keyId", Shape::Guid),
    property("hint", SHORT),
    property("secretText", Shape::Text(1024)),
    property("customKeyIdentifier", Shape::Text(1024)),
];

/// `keyCredential`.
pub(crate) const KEY_CREDENTIAL: &[Property] = &[
    property("displayName", SHORT),
    property("startDateTime", Shape::Time),
    property("endDateTime", Shape::Time),
    property("keyId", Shape::Guid),
    property("type", SHORT),
    property("usage", SHORT),
    property("key", Shape::Text(32 * 1024)),
    property("customKeyIdentifier", Shape::Text(1024)),
];

const API: &[Property] = &[
    property("acceptMappedClaims", Shape::Bool),
    property("knownClientApplications", GUIDS),
    property("requestedAccessTokenVersion", Shape::Int),
    property(
        "oauth2PermissionScopes",
        Shape::List(&Shape::Complex(PERMISSION_SCOPE)),
    ),
    property(
        "preAuthorizedApplications",
        Shape::List(&Shape::Complex(PRE_AUTHORIZED)),
    ),
];

const PERMISSION_SCOPE: &[Property] = &[
    property("id", Shape::Guid),
    property("adminConsentDescription", Shape::Text(1024)),
    property("adminConsentDisplayName", SHORT),
    property("isEnabled", Shape::Bool),
    property("origin", SHORT),
    property("type", SHORT),
    property("userConsentDescription", Shape::Text(1024)),
    property("userConsentDisplayName", SHORT),
    property("value", Shape::Text(120)),
];

const PRE_AUTHORIZED: &[Property] = &[
    property("appId", Shape::Guid),
    property("delegatedPermissionIds", GUIDS),
];

const APP_ROLE: &[Property] = &[
    property("id", Shape::Guid),
    property("allowedMemberTypes", TEXTS),
    property("description", Shape::Text(1024)),
    property("displayName", SHORT),
    property("isEnabled", Shape::Bool),
    property("origin", SHORT),
    property("value", Shape::Text(120)),
];

const REQUIRED_RESOURCE_ACCESS: &[Property] = &[
    property("resourceAppId", Shape::Guid),
    property(
        "resourceAccess",
        Shape::List(&Shape::Complex(RESOURCE_ACCESS)),
    ),
];

const RESOURCE_ACCESS: &[Property] = &[
    property("id", Shape::Guid),
    property("type", Shape::RequiredText(20)),
];

const OPTIONAL_CLAIMS: &[Property] = &[
    property("idToken", Shape::List(&Shape::Complex(OPTIONAL_CLAIM))),
    property("accessToken", Shape::List(&Shape::Complex(OPTIONAL_CLAIM))),
    property("saml2Token", Shape::List(&Shape::Complex(OPTIONAL_CLAIM))),
];

const OPTIONAL_CLAIM: &[Property] = &[
    property("name", Shape::RequiredText(256)),
    property("source", SHORT),
    property("essential", Shape::Bool),
    property("additionalProperties", TEXTS),
];

const WEB: &[Property] = &[
    property("homePageUrl", Shape::Text(2048)),
    property("logoutUrl", Shape::Text(2048)),
    property("redirectUris", URIS),
    property("redirectUriSettings", OPEN_LIST),
    property(
        "implicitGrantSettings",
        Shape::Complex(&[
            property("enableAccessTokenIssuance", Shape::Bool),
            property("enableIdTokenIssuance", Shape::Bool),
        ]),
    ),
];

const REDIRECT_URIS: &[Property] = &[property("redirectUris", URIS)];

const INFORMATIONAL_URL: &[Property] = &[
    read_only("logoUrl"),
    property("marketingUrl", Shape::Text(2048)),
    property("privacyStatementUrl", Shape::Text(2048)),
    property("supportUrl", Shape::Text(2048)),
    property("termsOfServiceUrl", Shape::Text(2048)),
];

const PARENTAL_CONTROL: &[Property] = &[
    property("countriesBlockedForMinors", TEXTS),
    property("legalAgeGroupRule", SHORT),
];
