//! The behaviour of `cofferdam-schema`, as sentences.

#[cfg(test)]
mod it {
    mod drifting;
    mod front_page;
    mod governing;
    mod isolation;
    mod parser;
    mod pipeline;
    mod platforms;
    mod policies;
    mod registering;
    mod secrets;
    mod suite;
    mod support;
}
