//! Promises 6, 9 and 10, as far as positions and duplicates go.

#[cfg(test)]
mod it {
    mod dedup;
    mod front_page;
    mod store;
    mod support;
    mod token;
    mod tracker;
}
