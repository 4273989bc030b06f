"""Client secrets through the Graph SDK."""

from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest
from msgraph.generated.applications.item.add_password.add_password_post_request_body import (
    AddPasswordPostRequestBody,
)
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential


def remove_secret(graph, application, key_id):
    """Removes one secret."""
    item = graph.sdk.applications.by_application_id(application.id)
    graph.perform(item.remove_password.post(RemovePasswordPostRequestBody(key_id=key_id)))


def kept_secrets(graph, application):
    """An application's secrets as Graph shows them later."""
    item = graph.sdk.applications.by_application_id(application.id)
    return graph.perform(item.get()).password_credentials


def test_a_secret_is_shown_once(graph, unique):
    application = graph.create(unique("secret"))
    added = graph.add_secret(application, timedelta(days=30))
    assert len(added.secret_text) == 40
    [kept] = kept_secrets(graph, application)
    assert (kept.secret_text, kept.hint) == (None, added.secret_text[:3])
    assert (kept.key_id, kept.display_name) == (added.key_id, "interop")
    assert kept.end_date_time == added.end_date_time


def test_a_secret_can_come_with_the_application(graph, unique):
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=90)
    wanted = PasswordCredential(display_name="first", end_date_time=end)
    application = graph.create(unique("inline"), password_credentials=[wanted])
    [secret] = application.password_credentials
    assert secret.secret_text
    assert secret.end_date_time == end


def test_a_secret_without_an_end_lives_two_years(graph, unique):
    application = graph.create(unique("two years"))
    item = graph.sdk.applications.by_application_id(application.id)
    secret = graph.perform(item.add_password.post(AddPasswordPostRequestBody()))
    life = secret.end_date_time - secret.start_date_time
    assert timedelta(days=730) <= life <= timedelta(days=731)


def test_a_removed_secret_is_gone_and_the_others_stay(graph, unique):
    application = graph.create(unique("two"))
    first, second = (graph.add_secret(application, timedelta(days=1)) for _ in range(2))
    remove_secret(graph, application, first.key_id)
    assert [kept.key_id for kept in kept_secrets(graph, application)] == [second.key_id]


def test_a_secret_that_is_not_there_cannot_be_removed(graph, unique):
    application = graph.create(unique("none"))
    with pytest.raises(ODataError) as refused:
        remove_secret(graph, application, uuid4())
    assert refused.value.response_status_code == 400
    assert "No password credential found with keyId" in refused.value.error.message


def test_personal_accounts_allow_two_secrets(graph, unique):
    application = graph.create(
        unique("personal"), sign_in_audience="AzureADandPersonalMicrosoftAccount"
    )
    for _ in range(2):
        graph.add_secret(application, timedelta(days=1))
    with pytest.raises(ODataError) as refused:
        graph.add_secret(application, timedelta(days=1))
    assert refused.value.error.code == "TooManyAppPasswords"
