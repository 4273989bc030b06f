"""azure-identity: credentials by secret and certificate, sync and async, and its retries."""

from datetime import timedelta

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential

from claims import unverified, verified
from emulator import GRAPH_SCOPE
from test_secrets import remove_secret


def options(emulator):
    """What it takes to talk to an emulator instead of the public cloud."""
    return {"authority": emulator.base, "disable_instance_discovery": True}


def by_secret(emulator, credentials):
    return ClientSecretCredential(
        emulator.tenant, credentials.client_id, credentials.secret, **options(emulator)
    )


def test_a_secret_gets_a_token_for_graph(emulator):
    with by_secret(emulator, emulator.administrator) as credential:
        token = credential.get_token(GRAPH_SCOPE).token
    assert unverified(token)["appid"] == emulator.administrator.client_id


def test_the_asynchronous_credential_gets_one_too(emulator, perform):
    async def ask():
        administrator = emulator.administrator
        async with AsyncClientSecretCredential(
            emulator.tenant, administrator.client_id, administrator.secret, **options(emulator)
        ) as credential:
            return await credential.get_token(GRAPH_SCOPE)

    assert unverified(perform(ask()).token)["tid"] == emulator.tenant


@pytest.mark.parametrize("with_chain", [False, True])
def test_a_certificate_gets_a_token(emulator, graph, unique, own_certificate, with_chain):
    application, _ = graph.client(unique("certificate"))
    graph.trust(application, own_certificate)
    with CertificateCredential(
        emulator.tenant,
        application.app_id,
        certificate_data=own_certificate.key_pem + own_certificate.pem,
        send_certificate_chain=with_chain,
        **options(emulator),
    ) as credential:
        token = credential.get_token(f"{application.app_id}/.default").token
    assert verified(emulator, token, application.app_id)["azpacr"] == "2"


def test_a_removed_secret_gets_no_further_token(emulator, graph, unique):
    application, credentials = graph.client(unique("removed"))
    other = graph.add_secret(application, timedelta(days=1))
    first = graph.perform(graph.sdk.applications.by_application_id(application.id).get())
    remove_secret(
        graph,
        application,
        next(one.key_id for one in first.password_credentials if one.key_id != other.key_id),
    )
    scope = f"{application.app_id}/.default"
    with by_secret(emulator, credentials) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
            credential.get_token(scope)


def test_an_unknown_tenant_is_refused(emulator):
    with ClientSecretCredential(
        "0e8d3f0a-6f5c-4a0f-9d55-0f2a5be5d1c7",
        emulator.administrator.client_id,
        emulator.administrator.secret,
        **options(emulator),
    ) as credential:
        with pytest.raises(ClientAuthenticationError, match="Unable to get authority configuration"):
            credential.get_token(GRAPH_SCOPE)


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_that_names_a_time_is_waited_out(emulator, graph, unique, status):
    application, credentials = graph.client(unique("throttled"))
    with emulator.fault(
        path="*/oauth2/v2.0/token",
        callerAppId=application.app_id,
        count=1,
        action={"type": "respond", "status": status, "body": {"error": "temporarily_unavailable"}, "retryAfter": "1"},
    ) as hits:
        with by_secret(emulator, credentials) as credential:
            assert credential.get_token(f"{application.app_id}/.default").token
        assert hits() == 1
