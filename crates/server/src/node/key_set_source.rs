//! Fetches key sets for the gateway over the product's one way out.

use connectors::http::OutboundHttp;
use gateway::{KeySetFetchError, KeySetSource};
use url::Url;

/// Far above any real key set.
const MOST_BYTES: usize = 512 * 1024;

pub(crate) struct OutboundKeySets(pub(crate) OutboundHttp);

#[async_trait::async_trait]
impl KeySetSource for OutboundKeySets {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeySetFetchError> {
        self.0
            .get_trusted_bytes(url, MOST_BYTES)
            .await
            .map_err(|error| KeySetFetchError(error.to_string()))
    }
}
