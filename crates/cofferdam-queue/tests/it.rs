//! The behaviour of `cofferdam-queue`, as sentences.

#[cfg(test)]
mod it {
    mod access;
    mod conservation;
    mod dead_letters;
    mod delivery;
    mod front_page;
    mod isolation;
    mod lifecycle;
    mod support;
    mod watermarks;
}
