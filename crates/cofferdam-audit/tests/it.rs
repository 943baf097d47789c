//! The log as its users meet it: driven, stored, broken, resumed and verified.

#[cfg(test)]
mod it {
    mod driving;
    mod merkle;
    mod notes;
    mod pipeline;
    mod readme;
    mod resuming;
    mod support;
    mod tampering;
}
