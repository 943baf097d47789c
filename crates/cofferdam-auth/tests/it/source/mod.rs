//! The client side: whose client, whose token, and when it is renewed.

mod answers;
mod isolation;
mod proofs;
mod registry;
mod renewal;
mod rig;
