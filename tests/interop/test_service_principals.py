"""Service principals, application roles and their assignment, through the Graph SDK."""

from datetime import timedelta
from uuid import uuid4

import pytest
from azure.core.exceptions import ClientAuthenticationError
from msgraph.generated.models.app_role import AppRole
from msgraph.generated.models.o_auth2_permission_grant import OAuth2PermissionGrant
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.service_principal import ServicePrincipal

from claims import verified
from test_azure_identity import by_secret


def api(graph, unique):
    """An API with one role, and its service principal."""
    role = AppRole(
        id=uuid4(),
        allowed_member_types=["Application"],
        display_name="Read orders",
        description="Read orders",
        value="Orders.Read",
        is_enabled=True,
    )
    application = graph.create(unique("api"), app_roles=[role])
    return application, graph.principal_of(application), role


def test_a_service_principal_mirrors_its_application(graph, unique):
    application, principal, role = api(graph, unique)
    assert principal.id not in (application.id, application.app_id)
    read = graph.perform(graph.sdk.service_principals_with_app_id(application.app_id).get())
    assert (read.id, read.display_name) == (principal.id, application.display_name)
    assert read.service_principal_names == [application.app_id]
    assert read.service_principal_type == "Application"
    assert [(one.id, one.value) for one in read.app_roles] == [(role.id, "Orders.Read")]


def test_an_application_has_one_service_principal(graph, unique):
    application = graph.create(unique("one"))
    graph.principal_of(application)
    with pytest.raises(ODataError) as refused:
        graph.principal_of(application)
    assert refused.value.response_status_code == 409
    assert refused.value.error.code == "Request_MultipleObjectsWithSameKeyValue"


def test_a_service_principal_is_updated_and_deleted(graph, unique):
    principal = graph.principal_of(graph.create(unique("changed")))
    item = graph.sdk.service_principals.by_service_principal_id(principal.id)
    graph.perform(item.patch(ServicePrincipal(app_role_assignment_required=True, tags=["seen"])))
    read = graph.perform(item.get())
    assert (read.app_role_assignment_required, read.tags) == (True, ["seen"])
    graph.perform(item.delete())
    with pytest.raises(ODataError) as gone:
        graph.perform(item.get())
    assert gone.value.response_status_code == 404


def test_an_assigned_role_is_in_the_token_until_it_is_revoked(emulator, graph, unique):
    resource, resource_principal, role = api(graph, unique)
    client, credentials = graph.client(unique("client"))
    client_principal = graph.perform(graph.sdk.service_principals_with_app_id(client.app_id).get())
    scope = f"{resource.app_id}/.default"

    def roles():
        with by_secret(emulator, credentials) as credential:
            token = credential.get_token(scope).token
        return verified(emulator, token, resource.app_id).get("roles")

    assert roles() is None
    assignment = graph.assign(resource_principal, role, client_principal)
    assert assignment.resource_display_name == resource.display_name
    assert roles() == ["Orders.Read"]
    assigned = graph.sdk.service_principals.by_service_principal_id(resource_principal.id).app_role_assigned_to
    assert [one.id for one in graph.perform(assigned.get()).value] == [assignment.id]
    graph.perform(assigned.by_app_role_assignment_id(assignment.id).delete())
    assert roles() is None


def test_a_resource_that_requires_assignment_refuses_the_others(emulator, graph, unique):
    resource, principal, role = api(graph, unique)
    item = graph.sdk.service_principals.by_service_principal_id(principal.id)
    graph.perform(item.patch(ServicePrincipal(app_role_assignment_required=True)))
    client, credentials = graph.client(unique("unassigned"), timedelta(days=1))
    scope = f"{resource.app_id}/.default"
    with by_secret(emulator, credentials) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS501051"):
            credential.get_token(scope)
    client_principal = graph.perform(graph.sdk.service_principals_with_app_id(client.app_id).get())
    graph.assign(principal, role, client_principal)
    with by_secret(emulator, credentials) as credential:
        assert credential.get_token(scope).token


def test_a_delegated_permission_is_granted_widened_and_revoked(graph, unique):
    client = graph.principal_of(graph.create(unique("delegated")))
    grants = graph.sdk.oauth2_permission_grants
    made = graph.perform(
        grants.post(
            OAuth2PermissionGrant(
                client_id=client.id,
                consent_type="AllPrincipals",
                resource_id=graph.graph_principal().id,
                scope="User.Read",
            )
        )
    )
    one = grants.by_o_auth2_permission_grant_id(made.id)
    graph.perform(one.patch(OAuth2PermissionGrant(scope="User.Read openid")))
    assert graph.perform(one.get()).scope.split() == ["User.Read", "openid"]
    graph.perform(one.delete())
    with pytest.raises(ODataError) as gone:
        graph.perform(one.get())
    assert gone.value.response_status_code == 404


def test_an_owner_is_added_and_removed(graph, unique):
    application = graph.create(unique("owned"))
    owner = graph.principal_of(graph.create(unique("owner")))
    owners = graph.sdk.applications.by_application_id(application.id).owners
    address = f"https://graph.microsoft.com/v1.0/directoryObjects/{owner.id}"
    graph.perform(owners.ref.post(ReferenceCreate(odata_id=address)))
    [shown] = graph.perform(owners.get()).value
    assert isinstance(shown, ServicePrincipal) and shown.id == owner.id
    graph.perform(owners.by_directory_object_id(owner.id).ref.delete())
    assert graph.perform(owners.get()).value == []
