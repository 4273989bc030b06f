"""Applications through the Graph SDK: create, read, list, update, delete, restore, purge."""

from uuid import uuid4

import pytest
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.optional_claim import OptionalClaim
from msgraph.generated.models.optional_claims import OptionalClaims
from msgraph_core.tasks.page_iterator import PageIterator

Query = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters


def listed(graph, eventual=False, **query):
    """One page of applications."""
    configuration = RequestConfiguration(query_parameters=Query(**query))
    if eventual:
        configuration.headers.add("ConsistencyLevel", "eventual")
    return graph.perform(graph.sdk.applications.get(request_configuration=configuration))


def ids(page):
    return {application.id for application in page.value}


def test_a_new_application_is_answered_complete(graph, unique):
    name = unique("new")
    made = graph.create(name, tags=["gateway:one"], notes="kept")
    assert made.display_name == name
    assert len({made.id, made.app_id}) == 2
    assert made.publisher_domain == "fabrikamlab.onmicrosoft.com"
    assert made.sign_in_audience == "AzureADMyOrg"
    assert made.api.requested_access_token_version == 2
    assert (made.tags, made.notes) == (["gateway:one"], "kept")
    assert made.identifier_uris == made.app_roles == made.key_credentials == []
    assert made.web.redirect_uris == []
    assert made.created_date_time.tzinfo


def test_an_application_is_read_by_each_of_its_keys(graph, unique):
    key = f"interop-{uuid4()}"
    made = graph.upsert(key, Application(display_name=unique("keys")))
    by_id = graph.perform(graph.sdk.applications.by_application_id(made.id).get())
    by_app_id = graph.perform(graph.sdk.applications_with_app_id(made.app_id).get())
    by_name = graph.perform(graph.sdk.applications_with_unique_name(key).get())
    assert by_id.id == by_app_id.id == by_name.id == made.id


def test_an_update_changes_what_it_names_and_no_more(graph, unique):
    made = graph.create(unique("before"), tags=["stays"])
    item = graph.sdk.applications.by_application_id(made.id)
    claims = OptionalClaims(access_token=[OptionalClaim(name="idtyp")])
    changed = Application(
        display_name="after", identifier_uris=[f"api://{made.app_id}"], optional_claims=claims
    )
    assert graph.perform(item.patch(changed)) is None
    read = graph.perform(item.get())
    assert (read.display_name, read.tags) == ("after", ["stays"])
    assert read.identifier_uris == [f"api://{made.app_id}"]
    assert [claim.name for claim in read.optional_claims.access_token] == ["idtyp"]


def test_an_upsert_creates_once_and_then_updates(graph, unique):
    key, name = f"interop-{uuid4()}", unique("upsert")
    made = graph.upsert(key, Application(display_name=name))
    assert (made.unique_name, made.display_name) == (key, name)
    assert graph.upsert(key, Application(notes="again")) is None
    read = graph.perform(graph.sdk.applications_with_unique_name(key).get())
    assert (read.id, read.display_name, read.notes) == (made.id, name, "again")


@pytest.mark.parametrize("by", ["app id", "name", "beginning", "uri", "tag", "key"])
def test_a_filter_finds_by(graph, unique, by):
    name, key = unique("it's filtered"), f"interop-{uuid4()}"
    made = graph.upsert(key, Application(display_name=name, tags=[key]))
    uri = f"api://{made.app_id}"
    graph.perform(
        graph.sdk.applications.by_application_id(made.id).patch(Application(identifier_uris=[uri]))
    )
    graph.create(unique("another"), tags=["another"])
    quoted = name.replace("'", "''")
    condition = {
        "app id": f"appId eq '{made.app_id}'",
        "name": f"displayName eq '{quoted}'",
        "beginning": f"startswith(displayName,'{quoted[:-4]}')",
        "uri": f"identifierUris/any(u:u eq '{uri}')",
        "tag": f"tags/any(t:t eq '{key}')",
        "key": f"uniqueName eq '{key}'",
    }[by]
    assert ids(listed(graph, filter=condition)) == {made.id}


def test_advanced_queries_need_their_header(graph):
    ending = str(uuid4())
    made = graph.create(f"advanced {ending}")
    condition = f"endswith(displayName,'{ending}')"
    with pytest.raises(ODataError) as refused:
        listed(graph, filter=condition)
    assert refused.value.response_status_code == 400
    assert refused.value.error.code == "Request_UnsupportedQuery"
    page = listed(graph, eventual=True, filter=condition, count=True)
    assert (ids(page), page.odata_count) == ({made.id}, 1)


def test_search_finds_words_of_the_name(graph):
    word = uuid4().hex
    made = graph.create(f"orders {word} gateway")
    assert ids(listed(graph, eventual=True, search=f'"displayName:{word}"')) == {made.id}


def test_select_shows_what_it_names(graph, unique):
    made = graph.create(unique("select"), notes="not shown")
    [shown] = listed(graph, filter=f"appId eq '{made.app_id}'", select=["id", "displayName"]).value
    assert (shown.id, shown.display_name) == (made.id, made.display_name)
    assert shown.app_id is None and shown.notes is None


def test_pages_follow_one_another_to_the_end(graph):
    tag = f"page-{uuid4()}"
    made = {graph.create(f"{tag} {number}", tags=[tag]).id for number in range(7)}
    first = listed(graph, filter=f"startswith(displayName,'{tag}')", top=3)
    assert len(first.value) == 3
    assert first.odata_next_link
    seen = []

    async def walk():
        iterator = PageIterator(first, graph.sdk.request_adapter)
        await iterator.iterate(lambda application: seen.append(application.id) or True)

    graph.perform(walk())
    assert (len(seen), set(seen)) == (7, made)


def test_applications_are_counted(graph, unique):
    graph.create(unique("counted"))
    configuration = RequestConfiguration()
    configuration.headers.add("ConsistencyLevel", "eventual")
    assert graph.perform(graph.sdk.applications.count.get(configuration)) >= 1


def test_a_deleted_application_is_restored_with_its_principal(graph, unique):
    application = graph.create(unique("restored"))
    principal = graph.principal_of(application)
    item = graph.sdk.applications.by_application_id(application.id)
    graph.perform(item.delete())
    with pytest.raises(ODataError) as gone:
        graph.perform(item.get())
    assert gone.value.response_status_code == 404
    assert gone.value.error.code == "Request_ResourceNotFound"
    deleted = graph.sdk.directory.deleted_items
    assert application.id in {one.id for one in graph.perform(deleted.graph_application.get()).value}
    restored = graph.perform(deleted.by_directory_object_id(application.id).restore.post())
    assert restored.id == application.id
    assert graph.perform(item.get()).deleted_date_time is None
    back = graph.sdk.service_principals_with_app_id(application.app_id)
    assert graph.perform(back.get()).id == principal.id


def test_a_purged_application_is_gone_for_good_and_frees_its_name(graph, unique):
    key = f"interop-{uuid4()}"
    application = graph.upsert(key, Application(display_name=unique("purged")))
    graph.perform(graph.sdk.applications_with_app_id(application.app_id).delete())
    again = Application(display_name=unique("again"))
    with pytest.raises(ODataError):
        graph.upsert(key, again)
    item = graph.sdk.directory.deleted_items.by_directory_object_id(application.id)
    graph.perform(item.delete())
    with pytest.raises(ODataError) as gone:
        graph.perform(item.get())
    assert gone.value.response_status_code == 404
    assert graph.upsert(key, again).id != application.id
