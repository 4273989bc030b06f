"""Eventual consistency as the clients meet it: a write is not everywhere at once."""

import pytest
from azure.core.exceptions import ClientAuthenticationError
from msgraph.generated.models.o_data_errors.o_data_error import ODataError

from graph import Graph
from test_applications import ids, listed
from test_azure_identity import by_secret


MINUTE = 60_000


def freeze(emulator, **delays):
    """Stops the emulator's time, and has its readers be late from now on (milliseconds)."""
    emulator.control("POST", "clock/freeze")
    emulator.control("PUT", "replication", {"replicas": 2, **delays})


def test_a_new_application_is_found_when_its_readers_have_caught_up(own_emulator, perform):
    freeze(own_emulator, create=MINUTE, list=MINUTE, search=2 * MINUTE)
    with Graph(own_emulator, perform, own_emulator.administrator) as graph:
        made = graph.create("late")
        item = graph.sdk.applications.by_application_id(made.id)
        with pytest.raises(ODataError) as missing:
            perform(item.get())
        assert missing.value.response_status_code == 404
        condition = f"appId eq '{made.app_id}'"
        assert ids(listed(graph, filter=condition)) == set()
        own_emulator.advance(minutes=1)
        assert perform(item.get()).id == made.id
        assert ids(listed(graph, filter=condition)) == {made.id}
        assert ids(listed(graph, eventual=True, filter=condition, count=True)) == set()
        own_emulator.advance(minutes=1)
        assert ids(listed(graph, eventual=True, filter=condition, count=True)) == {made.id}


def test_a_new_client_is_refused_in_turn_for_what_the_token_service_does_not_know(own_emulator, perform):
    freeze(own_emulator, tokenService={"application": MINUTE, "credential": 2 * MINUTE})
    with Graph(own_emulator, perform, own_emulator.administrator) as graph:
        application, credentials = graph.client("late")
    scope = f"{application.app_id}/.default"

    def refused(codes):
        with by_secret(own_emulator, credentials) as credential:
            with pytest.raises(ClientAuthenticationError, match=f"AADSTS({codes}):"):
                credential.get_token(scope)

    refused("700016")
    own_emulator.advance(minutes=1)
    # Entra calls a secret that it does not know yet wrong or, misleadingly, expired.
    refused("7000215|7000222")
    own_emulator.advance(minutes=1)
    with by_secret(own_emulator, credentials) as credential:
        assert credential.get_token(scope).token
