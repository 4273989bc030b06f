//! Typed identifiers: UUIDs (RFC 9562, version 7: ordered by creation) that cannot be mixed up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Clock, Random};

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, ordered by the clock's time.
            pub fn generate(clock: &dyn Clock, random: &dyn Random) -> Self {
                Self(uuid_v7(clock, random))
            }

            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Its text as [`Display`](fmt::Display) writes it, without asking for memory.
            pub fn as_text<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
                self.0.hyphenated().encode_lower(buffer)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

typed_id! {
    /// A configured authorization server.
    KeyManagerId,
    /// A consumer's application in the developer portal.
    ApplicationId,
    /// Application × key type × key manager → consumer key.
    KeyMappingId,
    /// An API.
    ApiId,
    /// An immutable copy of an API.
    RevisionId,
    /// Application → API, under a business plan.
    SubscriptionId,
    /// A throttling policy of one level.
    ThrottlingPolicyId,
    /// A unit of work at a key manager.
    JobId,
    /// A local user.
    UserId,
    /// An OAuth client of Claviger's own REST APIs (dynamic client registration).
    OAuthClientId,
    /// One line of the audit log.
    AuditEntryId,
    /// Something that gateways refuse whoever vouches for it.
    BlockingConditionId,
    /// Tokens that end before their time.
    RevocationId,
}

/// UUID version 7 (RFC 9562 section 5.7) from the given clock and random source.
fn uuid_v7(clock: &dyn Clock, random: &dyn Random) -> Uuid {
    let mut entropy = [0u8; 10];
    random.fill(&mut entropy);
    let milliseconds = u64::try_from(clock.now().as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &entropy).into_uuid()
}
