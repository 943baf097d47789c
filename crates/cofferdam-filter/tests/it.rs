//! The filter as its users meet it.

#[cfg(test)]
mod it {
    mod batch;
    mod corpora;
    mod dot;
    mod event_patterns;
    mod explain;
    mod front_page;
    mod live;
    mod mappings;
    mod matching;
    mod platforms;
    mod reference;
    mod refusals;
    mod scratch;
    mod traps;
}
