"""What Graph refuses, and its troubles, as the Graph SDK shows them."""

from uuid import uuid4

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError

from emulator import GRAPH_SCOPE, Credentials
from graph import Graph
from test_applications import listed
from test_azure_identity import by_secret


def granted(graph, unique, permission=None):
    """A client with one permission of Graph, or none."""
    application, credentials = graph.client(unique("caller"))
    if permission:
        resource = graph.graph_principal()
        role = next(role for role in resource.app_roles if role.value == permission)
        client = graph.perform(graph.sdk.service_principals_with_app_id(application.app_id).get())
        graph.assign(resource, role, client)
    return credentials


def denied(call):
    with pytest.raises(ODataError) as refused:
        call()
    assert refused.value.response_status_code == 403
    assert refused.value.error.code == "Authorization_RequestDenied"
    assert refused.value.error.message == "Insufficient privileges to complete the operation."
    assert refused.value.error.inner_error.request_id


def test_a_client_without_permission_is_denied(emulator, graph, unique, perform):
    with Graph(emulator, perform, granted(graph, unique)) as nobody:
        denied(lambda: nobody.create(unique("denied")))
        denied(lambda: perform(nobody.sdk.applications.get()))


def test_a_reader_may_not_write(emulator, graph, unique, perform):
    with Graph(emulator, perform, granted(graph, unique, "Application.Read.All")) as reader:
        assert perform(reader.sdk.applications.get()).value
        denied(lambda: reader.create(unique("denied")))


def test_an_owner_writes_its_own_and_nothing_else(emulator, graph, unique, perform):
    foreign = graph.create(unique("foreign"))
    credentials = granted(graph, unique, "Application.ReadWrite.OwnedBy")
    with Graph(emulator, perform, credentials) as owner:
        own = owner.create(unique("own"))
        perform(owner.sdk.applications.by_application_id(own.id).patch(Application(notes="mine")))
        item = owner.sdk.applications.by_application_id(foreign.id)
        denied(lambda: perform(item.patch(Application(notes="mine"))))
        denied(lambda: perform(item.delete()))


def test_roles_are_assigned_only_with_the_permission_for_it(emulator, graph, unique, perform):
    resource = graph.graph_principal()
    own = graph.principal_of(graph.create(unique("own")))
    credentials = granted(graph, unique, "Application.ReadWrite.All")
    with Graph(emulator, perform, credentials) as writer:
        denied(lambda: writer.assign(resource, resource.app_roles[0], own))


def test_an_object_that_is_not_there_is_not_found(graph):
    with pytest.raises(ODataError) as missing:
        graph.perform(graph.sdk.applications.by_application_id(str(uuid4())).get())
    assert missing.value.response_status_code == 404
    assert missing.value.error.code == "Request_ResourceNotFound"


def test_an_unknown_property_is_refused_by_name(graph, unique):
    wanted = Application(display_name=unique("odd"), additional_data={"colour": "red"})
    with pytest.raises(ODataError) as refused:
        graph.perform(graph.sdk.applications.post(wanted))
    assert refused.value.response_status_code == 400
    assert refused.value.error.code == "Request_BadRequest"
    assert "colour" in refused.value.error.message


def test_a_filter_that_does_not_parse_is_refused(graph):
    with pytest.raises(ODataError) as refused:
        listed(graph, filter="displayName eq")
    assert refused.value.response_status_code == 400


def test_a_wrong_secret_never_reaches_graph(emulator, perform):
    wrong = Credentials(emulator.administrator.client_id, "wrong")
    with Graph(emulator, perform, wrong) as client:
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
            perform(client.sdk.applications.get())


def test_a_token_for_another_resource_is_not_graphs(emulator, graph, unique, perform):
    application, credentials = graph.client(unique("other audience"))
    with Graph(emulator, perform, credentials, scopes=[f"{application.app_id}/.default"]) as client:
        with pytest.raises(ODataError) as refused:
            perform(client.sdk.applications.get())
    assert refused.value.response_status_code == 401
    assert refused.value.error.code == "InvalidAuthenticationToken"


def test_the_default_scope_of_the_sdk_is_understood(emulator, perform):
    with Graph(emulator, perform, emulator.administrator, scopes=[]) as client:
        assert perform(client.sdk.applications.get()).value


@pytest.mark.parametrize("status", [429, 503, 504])
def test_a_throttled_call_is_served_when_the_sdk_repeats_it(emulator, graph, unique, status):
    made = graph.create(unique("throttled"))
    error = {"error": {"code": "TooManyRequests", "message": "Too many requests."}}
    with emulator.fault(
        method="GET",
        path=f"*{made.id}",
        count=1,
        action={"type": "respond", "status": status, "body": error, "retryAfter": "1"},
    ) as hits:
        read = graph.perform(graph.sdk.applications.by_application_id(made.id).get())
        assert (read.id, hits()) == (made.id, 1)
    statuses = [call["status"] for call in emulator.calls(made.id)]
    assert statuses == [status, 200]


def test_a_create_whose_answer_is_lost_has_happened_and_is_in_the_audit(emulator, graph, unique):
    name = unique("lost")
    with emulator.fault(method="POST", path="/v1.0/applications", count=1, action={"type": "cutAfterEffect"}):
        with pytest.raises(httpx.TransportError):
            graph.create(name)
    [made] = listed(graph, filter=f"displayName eq '{name}'").value
    [call] = [
        call for call in emulator.calls("/v1.0/applications")
        if made.id in {effect["id"] for effect in call["effects"]}
    ]
    assert call["callerAppId"] == emulator.administrator.client_id


def test_the_resource_units_of_an_application_run_out_and_come_back(own_emulator):
    own_emulator.control("POST", "clock/freeze")
    with by_secret(own_emulator, own_emulator.administrator) as credential:
        token = credential.get_token(GRAPH_SCOPE).token
    one = {"method": "GET", "url": "/applications"}
    batch = {"requests": [{"id": str(number), **one} for number in range(20)]}
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(http2=True, headers=headers, base_url=f"{own_emulator.base}/v1.0") as plain:
        answer = plain.post("/$batch", json=batch)
        spent = 0
        while answer.status_code == 200:
            spent += int(answer.headers["x-ms-resource-unit"])
            assert spent <= 3500
            answer = plain.post("/$batch", json=batch)
        assert (spent, answer.status_code) == (3480, 429)
        assert answer.json()["error"]["code"] == "TooManyRequests"
        own_emulator.advance(seconds=int(answer.headers["Retry-After"]))
        assert plain.post("/$batch", json=batch).status_code == 200
