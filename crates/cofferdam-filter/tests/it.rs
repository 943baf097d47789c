//! The filter as its users meet it.

#[cfg(test)]
mod it {
    mod front_page;
    mod matching;
    mod reference;
    mod refusals;
}
