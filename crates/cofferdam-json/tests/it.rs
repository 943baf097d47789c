//! The crate as its users meet it.

#[cfg(test)]
mod it {
    mod front_page;
    mod scratch;
}
