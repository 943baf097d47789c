//! Credential to tenant context: strict JWT checks, key sets per issuer, origins, the upgrade check.
#![forbid(unsafe_code)]
