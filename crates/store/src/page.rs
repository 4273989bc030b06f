//! Paging.

/// A window onto a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub offset: u32,
    /// 1 to [`Page::MOST`].
    pub limit: u32,
}

impl Page {
    pub const MOST: u32 = 1_000;
    /// Everything that a bounded list can hold.
    pub const FIRST: Self = Self {
        offset: 0,
        limit: Self::MOST,
    };
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    #[default]
    Ascending,
    Descending,
}

/// One page and the size of the whole list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub total: u64,
}
