"""MSAL for Python: discovery, tokens by secret and by certificate, and how refusals show."""

from datetime import timedelta

import jwt
import msal
import pytest
from msgraph.generated.models.api_application import ApiApplication
from msgraph.generated.models.application import Application

from claims import unverified, verified
from emulator import GRAPH_SCOPE, Credentials
from graph import Graph
from test_federated import trust_issuer

DOMAIN = "fabrikamlab.onmicrosoft.com"
NOBODY = Credentials("5e8d3f0a-6f5c-4a0f-9d55-0f2a5be5d1c7", "a secret")


def client(emulator, client_id, credential, **options):
    """A new MSAL application: it has no cache, so every answer is the emulator's."""
    options.setdefault("authority", emulator.authority)
    options.setdefault("instance_discovery", False)
    return msal.ConfidentialClientApplication(client_id, client_credential=credential, **options)


def ask(emulator, credentials, scope=GRAPH_SCOPE, **options):
    """MSAL's answer to a new client with a secret."""
    application = client(emulator, credentials.client_id, credentials.secret, **options)
    return application.acquire_token_for_client([scope])


@pytest.mark.parametrize("name", ["tenant", "domain", "oidc", "instance discovery"])
def test_the_token_endpoint_is_discovered_by(emulator, name):
    options = {
        "tenant": {},
        "domain": {"authority": f"{emulator.base}/{DOMAIN}"},
        "oidc": {"authority": None, "oidc_authority": f"{emulator.authority}/v2.0"},
        "instance discovery": {"instance_discovery": f"{emulator.base}/common/discovery/instance"},
    }[name]
    answer = ask(emulator, emulator.administrator, **options)
    assert unverified(answer["access_token"])["tid"] == emulator.tenant


def test_a_secret_gets_a_token_for_graph_with_the_granted_roles(emulator):
    answer = ask(emulator, emulator.administrator)
    assert answer["token_type"] == "Bearer"
    assert 3599 <= answer["expires_in"] <= 5399
    claims = unverified(answer["access_token"])
    assert claims["aud"] == "https://graph.microsoft.com"
    assert claims["appid"] == emulator.administrator.client_id
    assert "Application.ReadWrite.All" in claims["roles"]


def test_a_token_of_version_2_verifies_with_the_published_keys(emulator, graph, unique):
    application, credentials = graph.client(unique("version 2"))
    answer = ask(emulator, credentials, f"{application.app_id}/.default")
    claims = verified(emulator, answer["access_token"], application.app_id)
    assert claims["ver"] == "2.0"
    assert claims["azp"] == application.app_id
    assert claims["azpacr"] == "1"
    assert claims["iss"] == f"https://login.microsoftonline.com/{emulator.tenant}/v2.0"
    assert claims["sub"] == claims["oid"] != application.id


def test_a_resource_that_asks_for_version_1_gets_it_at_the_same_endpoint(emulator, graph, unique):
    application, credentials = graph.client(unique("version 1"))
    resource = f"api://{application.app_id}"
    graph.perform(
        graph.sdk.applications.by_application_id(application.id).patch(
            Application(
                api=ApiApplication(requested_access_token_version=1), identifier_uris=[resource]
            )
        )
    )
    claims = verified(emulator, ask(emulator, credentials, f"{resource}/.default")["access_token"], resource)
    assert claims["ver"] == "1.0"
    assert claims["appid"] == application.app_id
    assert claims["iss"] == f"https://sts.windows.net/{emulator.tenant}/"


@pytest.mark.parametrize("form", ["thumbprint", "chain"])
def test_a_certificate_gets_a_token_named_by(emulator, graph, unique, own_certificate, form):
    application, credentials = graph.client(unique("certificate"))
    graph.trust(application, own_certificate)
    proof = {"private_key": own_certificate.key_pem.decode()}
    if form == "thumbprint":
        proof["thumbprint"] = own_certificate.sha1
    else:
        proof["public_certificate"] = own_certificate.pem.decode()
    scope = f"{application.app_id}/.default"
    answer = client(emulator, credentials.client_id, proof).acquire_token_for_client([scope])
    assert verified(emulator, answer["access_token"], application.app_id)["azpacr"] == "2"


def test_a_certificate_that_is_not_the_applications_is_refused(emulator, graph, unique, own_certificate):
    application, _ = graph.client(unique("other certificate"))
    proof = {"private_key": own_certificate.key_pem.decode(), "thumbprint": own_certificate.sha1}
    answer = client(emulator, application.app_id, proof).acquire_token_for_client([GRAPH_SCOPE])
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [700027])


def test_the_assertion_of_a_trusted_outside_issuer_gets_a_token(emulator, graph, unique, issuer):
    application = graph.create(unique("workload"))
    graph.principal_of(application)
    trust_issuer(graph, application, issuer, "repo:fabrikam/orders")
    proof = {"client_assertion": issuer.token("repo:fabrikam/orders")}
    scope = f"{application.app_id}/.default"
    answer = client(emulator, application.app_id, proof).acquire_token_for_client([scope])
    assert verified(emulator, answer["access_token"], application.app_id)["azpacr"] == "2"


def test_a_second_token_comes_from_msals_cache_until_it_expires(emulator, graph, unique):
    application, credentials = graph.client(unique("cache"))
    caching = client(emulator, credentials.client_id, credentials.secret)
    scope = f"{application.app_id}/.default"
    first = caching.acquire_token_for_client([scope])
    again = caching.acquire_token_for_client([scope])
    assert first["access_token"] == again["access_token"]
    tokens = [
        call for call in emulator.calls("/oauth2/v2.0/token")
        if call["callerAppId"] == application.app_id
    ]
    assert len(tokens) == 1


def test_tokens_of_both_keys_verify_when_the_signing_key_is_switched(own_emulator, perform):
    with Graph(own_emulator, perform, own_emulator.administrator) as graph:
        application, credentials = graph.client("rotation")
    scope = f"{application.app_id}/.default"
    before = ask(own_emulator, credentials, scope)["access_token"]
    own_emulator.control("POST", "keys/switch", own_emulator.control("POST", "keys"))
    after = ask(own_emulator, credentials, scope)["access_token"]
    for token in (before, after):
        assert verified(own_emulator, token, application.app_id)["azp"] == application.app_id
    assert len({jwt.get_unverified_header(token)["kid"] for token in (before, after)}) == 2


@pytest.mark.parametrize(
    ("what", "error", "code"),
    [
        ("a wrong secret", "invalid_client", 7000215),
        ("an unknown application", "unauthorized_client", 700016),
        ("an unknown resource", "invalid_resource", 500011),
        ("a scope that names a permission", "invalid_scope", 1002012),
    ],
)
def test_refused_is(emulator, what, error, code):
    administrator = emulator.administrator
    credentials, scope = {
        "a wrong secret": (Credentials(administrator.client_id, "wrong"), GRAPH_SCOPE),
        "an unknown application": (NOBODY, GRAPH_SCOPE),
        "an unknown resource": (administrator, "api://nothing-here/.default"),
        "a scope that names a permission": (administrator, "https://graph.microsoft.com/User.Read"),
    }[what]
    answer = ask(emulator, credentials, scope)
    assert "access_token" not in answer
    assert (answer["error"], answer["error_codes"]) == (error, [code])
    assert answer["error_description"].startswith(f"AADSTS{code}: ")
    assert answer["correlation_id"]


def test_an_application_without_a_service_principal_gets_no_token(emulator, graph, unique):
    application = graph.create(unique("no principal"))
    secret = graph.add_secret(application, timedelta(days=1))
    answer = ask(emulator, Credentials(application.app_id, secret.secret_text))
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000229])


def test_an_expired_secret_is_refused(own_emulator, perform):
    with Graph(own_emulator, perform, own_emulator.administrator) as graph:
        application, credentials = graph.client("expiry")
    scope = f"{application.app_id}/.default"
    assert "access_token" in ask(own_emulator, credentials, scope)
    own_emulator.advance(days=2)
    answer = ask(own_emulator, credentials, scope)
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000222])


def test_an_unknown_tenant_has_no_discovery_document(emulator):
    with pytest.raises(ValueError, match="Unable to get authority configuration"):
        ask(emulator, NOBODY, authority=f"{emulator.base}/0e8d3f0a-6f5c-4a0f-9d55-0f2a5be5d1c7")


def test_a_throttled_client_is_served_when_it_asks_again(emulator):
    refusal = {"error": "temporarily_unavailable", "error_description": "AADSTS90055: Too many requests."}
    with emulator.fault(
        path="*/oauth2/v2.0/token",
        callerAppId=emulator.administrator.client_id,
        count=1,
        action={"type": "respond", "status": 429, "body": refusal, "retryAfter": "1"},
    ) as hits:
        assert ask(emulator, emulator.administrator)["error"] == "temporarily_unavailable"
        assert "access_token" in ask(emulator, emulator.administrator)
        assert hits() == 1
