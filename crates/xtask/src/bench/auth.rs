//! What checking credentials costs, and what a storm, a spray and a revocation do.

use super::table;

pub(crate) const TEXT: &str = "\
## Checking credentials

Four programs of `benches/`, each with its peers in the same run.

";

pub(crate) fn measure(seconds: u32) -> Result<String, String> {
    let seconds = seconds.to_string();
    let mut text = String::new();
    for (title, about, bin, args) in [
        ("One token", CHECKS, "auth_checks", vec!["--seconds", &seconds]),
        ("A storm of connections", STORM, "upgrade_storm", vec!["--seconds", &seconds]),
        ("A spray of key ids", SPRAY, "key_spray", vec![]),
        ("From revocation to a closed socket", REVOCATION, "revocation", vec![]),
    ] {
        println!("\n== {title}");
        text.push_str(&format!("### {title}\n\n{about}\n{}\n", table(bin, &args)?));
    }
    Ok(text)
}

const CHECKS: &str = "\
`Verifier::verify` with a scope asked for, beside the bare signature of the same backend (a parsed
`aws-lc-rs` key over the signing input) and beside `jsonwebtoken` with the same backend and every
check that it has. \"Remembered\" is the same call when the token is in the `TokenCache`; it allocates
nothing, which a test shows.
";

const STORM: &str = "\
Upgrades per second of the server thread's CPU time, beside an accept loop of `tokio-tungstenite` that
looks at no credential. A signature check of ES256 alone costs more than a whole accept does, so a
storm of tokens that were never seen cannot come near the bare loop on this backend; clients that
reconnect with the token that they had can.
";

const SPRAY: &str = "\
Ten thousand tokens in ten seconds that name tenant A and key ids that nobody has, through
`KeyKeeper`; meanwhile tenant B's tokens (ES256) are checked a thousand times a second.
";

const REVOCATION: &str = "\
Ten thousand live WebSocket sessions on loopback, the server in one process and the clients in
another on the same two cores; the time is from the call that revokes to the client that has the close
frame.
";
