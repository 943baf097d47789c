//! The instruments, put to the test: each must pass what is sound and fail what is not.

#[cfg(test)]
mod it {
    mod conformance;
    mod front_page;
    mod fuzz;
    mod noninterference;
    mod scratch;
}
