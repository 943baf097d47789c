//! The composed pipeline: what it promises, under every fault that a test can think of.

#[cfg(test)]
mod it {
    mod canary;
    mod conservation;
    mod front_page;
    mod isolation;
    mod ledger;
    mod promises;
    mod scratch;
    mod world;
}
