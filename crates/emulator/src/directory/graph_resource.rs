//! Microsoft Graph as a resource of each tenant: its well-known permissions.
//!
//! Ids and values are those of Microsoft's permissions reference; only the permissions that
//! concern applications, sign-in and this emulator's own surface are here.

use jiff::Timestamp;
use uuid::{Uuid, uuid};

use super::{
    AppRole, Application, GRAPH_APP_ID, MICROSOFT_TENANT_ID, PermissionScope, ServicePrincipal,
};

const ROLES: [(Uuid, &str, &str); 14] = [
    (
        uuid!("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"),
        "Application.Read.All",
        "Read all applications",
    ),
    (
        uuid!("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"),
        "Application.ReadWrite.All",
        "Read and write all applications",
    ),
    (
        uuid!("18a4783c-866b-4cc7-a460-3d5e5662c884"),
        "Application.ReadWrite.OwnedBy",
        "Manage apps that this app creates or owns",
    ),
    (
        uuid!("06b708a9-e830-4db3-a914-8e69da51d44f"),
        "AppRoleAssignment.ReadWrite.All",
        "Manage app permission grants and app role assignments",
    ),
    (
        uuid!("8e8e4742-1d95-4f68-9d56-6ee75648c72a"),
        "DelegatedPermissionGrant.ReadWrite.All",
        "Manage all delegated permission grants",
    ),
    (
        uuid!("7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
        "Directory.Read.All",
        "Read directory data",
    ),
    (
        uuid!("19dbc75e-c2e2-444c-a770-ec69d8559fc7"),
        "Directory.ReadWrite.All",
        "Read and write directory data",
    ),
    (
        uuid!("246dd0d5-5bd0-4def-940b-0421030a5b68"),
        "Policy.Read.All",
        "Read your organization's policies",
    ),
    (
        uuid!("be74164b-cff1-491c-8741-e671cb536e13"),
        "Policy.ReadWrite.ApplicationConfiguration",
        "Read and write your organization's application configuration policies",
    ),
    (
        uuid!("df021288-bdef-4463-88db-98f22de89214"),
        "User.Read.All",
        "Read all users' full profiles",
    ),
    (
        uuid!("741f803b-c850-494e-b5df-cde7c675a1ca"),
        "User.ReadWrite.All",
        "Read and write all users' full profiles",
    ),
    (
        uuid!("5b567255-7703-4780-807c-7be8301ae99b"),
        "Group.Read.All",
        "Read all groups",
    ),
    (
        uuid!("62a82d76-70ea-41e2-9197-370581804d09"),
        "Group.ReadWrite.All",
        "Read and write all groups",
    ),
    (
        uuid!("498476ce-e0fe-48b0-b801-37ba7e2685c6"),
        "Organization.Read.All",
        "Read organization information",
    ),
];

const SCOPES: [(Uuid, &str, &str, &str); 13] = [
    (
        uuid!("e1fe6dd8-ba31-4d61-89e7-88639da4683d"),
        "User.Read",
        "User",
        "Sign in and read user profile",
    ),
    (
        uuid!("37f7f235-527c-4136-accd-4a02d197296e"),
        "openid",
        "User",
        "Sign users in",
    ),
    (
        uuid!("14dad69e-099b-42c9-810b-d002981feec1"),
        "profile",
        "User",
        "View users' basic profile",
    ),
    (
        uuid!("64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0"),
        "email",
        "User",
        "View users' email address",
    ),
    (
        uuid!("7427e0e9-2fba-42fe-b0c0-848c9e6a8182"),
        "offline_access",
        "User",
        "Maintain access to data you have given it access to",
    ),
    (
        uuid!("c79f8feb-a9db-4090-85f9-90d820caa0eb"),
        "Application.Read.All",
        "Admin",
        "Read applications",
    ),
    (
        uuid!("bdfbf15f-ee85-4955-8675-146e8e5296b5"),
        "Application.ReadWrite.All",
        "Admin",
        "Read and write all applications",
    ),
    (
        uuid!("84bccea3-f856-4a8a-967b-dbe0a3d53a64"),
        "AppRoleAssignment.ReadWrite.All",
        "Admin",
        "Manage app permission grants and app role assignments",
    ),
    (
        uuid!("41ce6ca6-6826-4807-84f1-1c82854f7ee5"),
        "DelegatedPermissionGrant.ReadWrite.All",
        "Admin",
        "Manage all delegated permission grants",
    ),
    (
        uuid!("06da0dbc-49e2-44d2-8312-53f166ab848a"),
        "Directory.Read.All",
        "Admin",
        "Read directory data",
    ),
    (
        uuid!("c5366453-9fb0-48a5-a156-24f0c49a4b84"),
        "Directory.ReadWrite.All",
        "Admin",
        "Read and write directory data",
    ),
    (
        uuid!("572fea84-0151-49b2-9301-11cb16974376"),
        "Policy.Read.All",
        "Admin",
        "Read your organization's policies",
    ),
    (
        uuid!("a154be20-db9c-4678-8ab7-66f6cc099a59"),
        "User.Read.All",
        "Admin",
        "Read all users' full profiles",
    ),
];

/// Microsoft Graph's service principal in `tenant`, with object id `id`.
pub(crate) fn graph_service_principal(id: Uuid, tenant: Uuid, now: Timestamp) -> ServicePrincipal {
    let mut graph = Application::new(
        GRAPH_APP_ID,
        GRAPH_APP_ID,
        MICROSOFT_TENANT_ID,
        "Microsoft Graph",
    );
    "AzureADMultipleOrgs".clone_into(&mut graph.sign_in_audience);
    graph.identifier_uris = [
        "https://graph.microsoft.com",
        "https://graph.microsoft.us",
        "https://dod-graph.microsoft.us",
        "https://microsoftgraph.chinacloudapi.cn",
    ]
    .map(str::to_owned)
    .to_vec();
    graph.app_roles = ROLES
        .iter()
        .map(|&(id, value, name)| role(id, value, name))
        .collect();
    graph.api.oauth2_permission_scopes = SCOPES
        .iter()
        .map(|&(id, value, kind, name)| scope(id, value, kind, name))
        .collect();
    let mut principal = ServicePrincipal::of(&graph, id, tenant);
    principal.created_date_time = Some(now);
    principal
}

fn role(id: Uuid, value: &str, name: &str) -> AppRole {
    AppRole {
        id,
        allowed_member_types: vec!["Application".to_owned()],
        description: Some(name.to_owned()),
        display_name: Some(name.to_owned()),
        is_enabled: true,
        origin: Some("Application".to_owned()),
        value: Some(value.to_owned()),
    }
}

fn scope(id: Uuid, value: &str, kind: &str, name: &str) -> PermissionScope {
    PermissionScope {
        id,
        admin_consent_description: Some(name.to_owned()),
        admin_consent_display_name: Some(name.to_owned()),
        is_enabled: true,
        origin: Some("Application".to_owned()),
        r#type: Some(kind.to_owned()),
        user_consent_description: Some(name.to_owned()),
        user_consent_display_name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    }
}
