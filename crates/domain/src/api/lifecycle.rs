//! An API from its creation to its end, in WSO2's states.

use serde::{Deserialize, Serialize};

/// WSO2's API lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LifecycleState {
    Created,
    Prototyped,
    Published,
    Blocked,
    Deprecated,
    Retired,
}

impl LifecycleState {
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Prototyped,
        Self::Published,
        Self::Blocked,
        Self::Deprecated,
        Self::Retired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Prototyped => "PROTOTYPED",
            Self::Published => "PUBLISHED",
            Self::Blocked => "BLOCKED",
            Self::Deprecated => "DEPRECATED",
            Self::Retired => "RETIRED",
        }
    }

    /// The transitions that are open from here: event as WSO2 names it, and where it leads.
    pub const fn transitions(self) -> &'static [(&'static str, Self)] {
        match self {
            Self::Created => &[
                ("Publish", Self::Published),
                ("Deploy as a Prototype", Self::Prototyped),
            ],
            Self::Prototyped => &[
                ("Publish", Self::Published),
                ("Demote to Created", Self::Created),
            ],
            Self::Published => &[
                ("Block", Self::Blocked),
                ("Deploy as a Prototype", Self::Prototyped),
                ("Demote to Created", Self::Created),
                ("Deprecate", Self::Deprecated),
            ],
            Self::Blocked => &[
                ("Re-Publish", Self::Published),
                ("Deprecate", Self::Deprecated),
            ],
            Self::Deprecated => &[("Retire", Self::Retired)],
            Self::Retired => &[],
        }
    }

    /// Where `event` leads from here; `None` when it is not open.
    pub fn after(self, event: &str) -> Option<Self> {
        self.transitions()
            .iter()
            .find(|(name, _)| *name == event)
            .map(|&(_, target)| target)
    }

    /// New subscriptions are taken.
    pub const fn accepts_subscriptions(self) -> bool {
        matches!(self, Self::Published | Self::Prototyped)
    }

    /// A gateway serves the deployed revision (a blocked API answers 700700).
    pub const fn is_served(self) -> bool {
        !matches!(self, Self::Retired)
    }
}
