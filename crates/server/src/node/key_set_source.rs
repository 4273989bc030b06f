//! Fetches key sets for the gateway over the product's one way out.

use connectors::http::OutboundHttp;
use gateway::{KeySetSource, KeySetSourceError, LARGEST_KEY_SET};
use url::Url;

pub(crate) struct OutboundKeySets(pub(crate) OutboundHttp);

#[async_trait::async_trait]
impl KeySetSource for OutboundKeySets {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeySetSourceError> {
        self.0
            .get_trusted_bytes(url, LARGEST_KEY_SET)
            .await
            .map_err(|error| KeySetSourceError(error.to_string()))
    }
}
