//! Redaction as a user sees it: documents in, events in, what may be remembered out.

#[cfg(test)]
mod it {
    mod arrays;
    mod cases;
    mod compiling;
    mod compliance;
    mod decoding;
    mod detecting;
    mod front_page;
    mod model;
    mod pipeline;
    mod properties;
    mod reporting;
    mod scratch;
    mod secrets;
    mod strategies;
    mod support;
}
