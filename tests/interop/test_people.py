"""People who sign in through MSAL: authorization code with PKCE, refresh, and device code.

The person at the browser is played by posting the sign-in pages' forms.
"""

import copy
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import msal
import pytest
import requests
from msgraph.generated.models.application import Application
from msgraph.generated.models.public_client_application import PublicClientApplication
from msgraph.generated.models.web_application import WebApplication

from claims import unverified
from emulator import Credentials
from graph import Graph

PASSWORD = "correct horse"
REDIRECT = "https://app.example/back"
SCOPE = "https://graph.microsoft.com/User.Read"


@pytest.fixture
def tenant(emulator):
    """A tenant of one's own with a person who knows a password, and that person's name."""
    domain = f"people{uuid4().hex[:12]}.onmicrosoft.com"
    person = f"ada@{domain}"
    made = emulator.control(
        "POST",
        "tenants",
        {
            "displayName": "People",
            "domains": [domain],
            "users": [
                {"userPrincipalName": person, "displayName": "Ada Lovelace", "password": PASSWORD}
            ],
        },
    )
    theirs = copy.copy(emulator)
    theirs.tenant = made["tenantId"]
    theirs.administrator = Credentials(
        made["administratorClientId"], made["administratorClientSecret"]
    )
    return theirs, person


@pytest.fixture
def portal(tenant, perform):
    """A registered application that signs people in."""
    emulator, _ = tenant
    with Graph(emulator, perform, emulator.administrator) as graph:
        application, credentials = graph.client("portal")
        changed = Application(
            web=WebApplication(redirect_uris=[REDIRECT]),
            public_client=PublicClientApplication(redirect_uris=["http://localhost"]),
            is_fallback_public_client=True,
        )
        graph.perform(graph.sdk.applications.by_application_id(application.id).patch(changed))
    return credentials


def test_a_code_is_redeemed_with_pkce_and_its_token_renewed(tenant, portal):
    emulator, person = tenant
    client = msal.ConfidentialClientApplication(
        portal.client_id,
        client_credential=portal.secret,
        authority=emulator.authority,
        instance_discovery=False,
    )
    flow = client.initiate_auth_code_flow([SCOPE], redirect_uri=REDIRECT)
    page = urlsplit(flow["auth_uri"])
    form = dict(parse_qsl(page.query), username=person, password=PASSWORD, decision="accept")
    sent = requests.post(
        page._replace(query="").geturl(), data=form, allow_redirects=False, timeout=30
    )
    assert sent.headers["Location"].startswith(REDIRECT)
    answer = client.acquire_token_by_auth_code_flow(
        flow, dict(parse_qsl(urlsplit(sent.headers["Location"]).query))
    )
    assert answer["id_token_claims"]["preferred_username"] == person
    assert unverified(answer["access_token"])["scp"].split().count("User.Read") == 1
    [account] = client.get_accounts()
    assert account["username"] == person
    renewed = client.acquire_token_silent([SCOPE], account, force_refresh=True)
    assert renewed["access_token"] != answer["access_token"]


def test_a_device_gets_its_token_when_the_person_has_entered_the_code(tenant, portal):
    emulator, person = tenant
    client = msal.PublicClientApplication(
        portal.client_id, authority=emulator.authority, instance_discovery=False
    )
    flow = client.initiate_device_flow([SCOPE])
    assert flow["user_code"] in flow["message"]
    once = {"exit_condition": lambda _: True}
    early = client.acquire_token_by_device_flow(flow, **once)
    assert early["error"] == "authorization_pending"
    entered = requests.post(
        flow["verification_uri"],
        data={"user_code": flow["user_code"], "username": person, "password": PASSWORD, "decision": "accept"},
        timeout=30,
    )
    assert entered.status_code == 200
    answer = client.acquire_token_by_device_flow(flow, **once)
    assert answer["id_token_claims"]["preferred_username"] == person
