//! The deployment's one secret, and every key that follows from it.
//!
//! A real deployment keeps the root in a KMS. Here it is 32 random bytes in the data folder, made on
//! the first start and readable by its owner alone.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use cofferdam::core::TenantId;
use hkdf::Hkdf;
use sha2::Sha256;

/// The root of all keys.
pub(crate) struct DeploymentKey([u8; 32]);

impl DeploymentKey {
    /// Reads the key from `folder`, or makes one.
    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        let path = folder.join("deployment.key");
        match fs::read(&path) {
            Ok(bytes) => match bytes.try_into() {
                Ok(root) => Ok(Self(root)),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "deployment.key is not 32 bytes",
                )),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let root = cofferdam_tokio::random_bytes();
                let mut file =
                    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
                file.write_all(&root)?;
                file.sync_all()?;
                Ok(Self(root))
            }
            Err(error) => Err(error),
        }
    }

    /// The key for `purpose` of `tenant`; HKDF-SHA-256 (RFC 5869) with both in the info, the first
    /// with its length, so that no two pairs are alike.
    pub(crate) fn derive(&self, purpose: &str, tenant: Option<&TenantId>) -> [u8; 32] {
        let length = [purpose.len() as u8];
        let tenant = tenant.map_or("", TenantId::as_str);
        let mut key = [0; 32];
        let info = [&length[..], purpose.as_bytes(), tenant.as_bytes()];
        // Expanding fails only beyond 8,160 bytes.
        let expanded = Hkdf::<Sha256>::new(None, &self.0).expand_multi_info(&info, &mut key);
        debug_assert!(expanded.is_ok(), "32 bytes can always be expanded");
        key
    }
}
