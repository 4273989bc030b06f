//! Filters, search, counts, selection and pages.

use serde_json::{Value, json};

use crate::laboratory::Laboratory;

async fn stocked() -> Laboratory {
    let laboratory = Laboratory::start().await;
    for (name, tag) in [
        ("Orders API", "km-op:1"),
        ("Orders worker", "km-op:2"),
        ("Billing o'brien", "other"),
    ] {
        let body = json!({ "displayName": name, "tags": [tag], "signInAudience": "AzureADMyOrg" });
        laboratory.post("/applications", body).await.expect(201);
    }
    laboratory
}

fn names(body: &Value) -> Vec<&str> {
    body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["displayName"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn filters_find_by_each_indexed_property_and_by_scanning() {
    let laboratory = stocked().await;
    let all = laboratory.get("/applications").await.expect(200).body;
    let first = &all["value"][1];
    let app_id = first["appId"].as_str().unwrap();
    for (filter, expected) in [
        (format!("appId eq '{app_id}'"), vec!["Orders API"]),
        ("displayName eq 'Orders API'".to_owned(), vec!["Orders API"]),
        ("displayName eq 'Billing o''brien'".to_owned(), vec!["Billing o'brien"]),
        ("startswith(displayName,'orders')".to_owned(), vec!["Orders API", "Orders worker"]),
        ("tags/any(t:t eq 'km-op:2')".to_owned(), vec!["Orders worker"]),
        ("tags/any(t:startswith(t,'km-op:'))".to_owned(), vec!["Orders API", "Orders worker"]),
        ("tags/any(t:t eq 'km-op:1') or displayName eq 'Orders worker'".to_owned(), vec!["Orders API", "Orders worker"]),
        ("displayName in ('Orders API','nobody')".to_owned(), vec!["Orders API"]),
        ("startswith(displayName,'Orders') and signInAudience eq 'AzureADMyOrg' and tags/any(x:x eq 'km-op:1')".to_owned(), vec!["Orders API"]),
        ("uniqueName eq 'nobody'".to_owned(), vec![]),
        ("identifierUris/any(u:u eq 'api://nobody')".to_owned(), vec![]),
        ("createdDateTime gt 2999-01-01T00:00:00Z".to_owned(), vec![]),
    ] {
        let reply = laboratory.get(&format!("/applications?$filter={filter}")).await.expect(200);
        assert_eq!(names(&reply.body), expected, "{filter}");
    }
}

#[tokio::test]
async fn advanced_queries_need_their_header_and_count() {
    let laboratory = stocked().await;
    for filter in [
        "displayName ne 'x'",
        "not(displayName eq 'x')",
        "endsWith(displayName,'API')",
        "tags/$count eq 0",
    ] {
        let target = format!("/applications?$filter={filter}");
        laboratory.get(&target).await.refuses(
            400,
            "Request_UnsupportedQuery",
            "ConsistencyLevel:eventual",
        );
        laboratory
            .advanced(&format!("{target}&$count=true"))
            .await
            .expect(200);
    }
    let search = "/applications?$search=\"displayName:ord\"";
    laboratory.get(search).await.refuses(
        400,
        "Request_UnsupportedQuery",
        "Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'",
    );
    assert_eq!(
        names(&laboratory.advanced(search).await.expect(200).body),
        ["Orders API", "Orders worker"]
    );
    let word = "/applications?$search=\"displayName:work\"&ConsistencyLevel=eventual";
    assert_eq!(
        names(&laboratory.get(word).await.expect(200).body),
        ["Orders worker"]
    );
    laboratory.get("/applications/$count").await.refuses(
        400,
        "Request_BadRequest",
        "$count is not currently supported.",
    );
    assert_eq!(
        laboratory
            .advanced("/applications/$count")
            .await
            .expect(200)
            .body,
        json!(4)
    );
    laboratory
        .get("/applications?$filter=notes eq 'x'")
        .await
        .refuses(400, "Request_UnsupportedQuery", "Unsupported Query.");
}

#[tokio::test]
async fn pages_follow_each_other_by_their_links() {
    let laboratory = Laboratory::start().await;
    for number in 0..7 {
        laboratory.application(&format!("app {number}")).await;
    }
    let mut target = "/applications?$top=3&$select=displayName&$count=true".to_owned();
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let page = laboratory.get(&target).await.expect(200).body;
        assert_eq!(page["@odata.count"], 8);
        assert_eq!(page["value"][0].as_object().unwrap().len(), 1);
        sizes.push(page["value"].as_array().unwrap().len());
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["@odata.nextLink"].as_str() else {
            break;
        };
        next.clone_into(&mut target);
    }
    assert_eq!(sizes, [3, 3, 2]);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 8);
    let sorted = laboratory
        .get("/applications?$orderby=displayName desc&$top=2")
        .await
        .expect(200);
    assert_eq!(names(&sorted.body), ["Emulator administrator", "app 6"]);
}

#[tokio::test]
async fn a_query_that_does_not_parse_is_a_bad_request() {
    let laboratory = Laboratory::start().await;
    for query in [
        "$filter=appId eq",
        "$filter=(",
        "$filter='",
        "$filter=appId eq 'a' garbage",
        "$filter=nonsense(a,'b')",
        "$filter=%00",
        "$top=0",
        "$top=1000",
        "$top=x",
        "$count=maybe",
        "$foo=1",
        "$filter=a eq 'b'&$filter=a eq 'c'",
        "$select=nothing",
        "$skiptoken=zzz",
        "$search=x&ConsistencyLevel=eventual",
        "$skip=3",
        "$orderby=displayName sideways",
        "$expand=owners",
    ] {
        let reply = laboratory.get(&format!("/applications?{query}")).await;
        assert_eq!(reply.status, 400, "{query}: {}", reply.body);
        assert!(!reply.code().is_empty(), "{query}");
    }
    let deep = format!("/applications?$filter={}appId eq 'x'", "(".repeat(200));
    assert_eq!(laboratory.get(&deep).await.status, 400);
}

#[tokio::test]
async fn links_keep_the_host_that_the_client_used() {
    let laboratory = stocked().await;
    let port = laboratory.running.address().port();
    let base = format!("https://graph.microsoft.com:{port}/v1.0");
    let target = format!("{base}/applications?$top=1");
    let page = laboratory.get(&target).await.expect(200);
    assert!(
        page.text("/@odata.nextLink").starts_with(&base),
        "{}",
        page.body
    );
    let next = laboratory
        .get(&page.text("/@odata.nextLink"))
        .await
        .expect(200);
    assert_ne!(next.body["value"][0]["id"], page.body["value"][0]["id"]);
    let local = laboratory.get("/applications?$top=1").await.expect(200);
    assert!(
        local
            .text("/@odata.nextLink")
            .starts_with(laboratory.running.base_url())
    );
}
