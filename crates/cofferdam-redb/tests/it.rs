//! The store in redb: contracts kept, files kept, crashes survived.

#[cfg(test)]
mod it {
    mod conformance;
    mod crash;
    mod files;
    mod front_page;
}
