"""Federated identity credentials through the Graph SDK, and the tokens that they open."""

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError

from issuer import AUDIENCE


def trust_issuer(graph, application, issuer, subject, name="build"):
    """Has an application trust an issuer's tokens for one subject."""
    wanted = FederatedIdentityCredential(
        name=name, issuer=issuer.url, subject=subject, audiences=[AUDIENCE]
    )
    credentials = graph.sdk.applications.by_application_id(application.id).federated_identity_credentials
    return graph.perform(credentials.post(wanted))


def credential(emulator, application, token):
    """azure-identity with an assertion from outside."""
    return ClientAssertionCredential(
        emulator.tenant,
        application.app_id,
        lambda: token,
        authority=emulator.base,
        disable_instance_discovery=True,
    )


def test_a_federated_credential_is_made_read_changed_and_deleted(graph, unique, issuer):
    application = graph.create(unique("federated"))
    made = trust_issuer(graph, application, issuer, "repo:fabrikam/a")
    builder = graph.sdk.applications.by_application_id(application.id).federated_identity_credentials
    one = builder.by_federated_identity_credential_id(made.id)
    read = graph.perform(one.get())
    assert (read.name, read.issuer, read.subject) == ("build", issuer.url, "repo:fabrikam/a")
    assert read.audiences == [AUDIENCE]
    graph.perform(one.patch(FederatedIdentityCredential(subject="repo:fabrikam/b")))
    assert [item.subject for item in graph.perform(builder.get()).value] == ["repo:fabrikam/b"]
    graph.perform(one.delete())
    assert graph.perform(builder.get()).value == []


def test_an_upsert_by_name_creates_and_then_changes(graph, unique, issuer):
    application = graph.create(unique("named"))
    item = graph.sdk.applications.by_application_id(application.id)
    named = item.federated_identity_credentials_with_name("build")
    configuration = RequestConfiguration()
    configuration.headers.add("Prefer", "create-if-missing")
    for subject in ("repo:fabrikam/a", "repo:fabrikam/b"):
        wanted = FederatedIdentityCredential(
            issuer=issuer.url, subject=subject, audiences=[AUDIENCE]
        )
        graph.perform(named.patch(wanted, configuration))
        assert graph.perform(named.get()).subject == subject


def test_two_credentials_of_one_subject_are_refused(graph, unique, issuer):
    application = graph.create(unique("twice"))
    trust_issuer(graph, application, issuer, "repo:fabrikam/a")
    with pytest.raises(ODataError) as refused:
        trust_issuer(graph, application, issuer, "repo:fabrikam/a", name="another")
    assert refused.value.response_status_code == 409


def test_only_the_named_subject_gets_a_token(emulator, graph, unique, issuer):
    application = graph.create(unique("subject"))
    graph.principal_of(application)
    trust_issuer(graph, application, issuer, "repo:fabrikam/a")
    scope = f"{application.app_id}/.default"
    with credential(emulator, application, issuer.token("repo:fabrikam/a")) as trusted:
        assert trusted.get_token(scope).token
    with credential(emulator, application, issuer.token("repo:fabrikam/b")) as other:
        with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
            other.get_token(scope)
