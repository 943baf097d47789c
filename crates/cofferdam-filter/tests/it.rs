//! The filter as its users meet it.

#[cfg(test)]
mod it {
    mod matching;
    mod reference;
    mod refusals;
}
