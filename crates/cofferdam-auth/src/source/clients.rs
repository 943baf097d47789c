//! The registry of clients: one tenant, one client, one credential.
//!
//! A client that two tenants share is one credential with two tenants' rights: its tokens cannot be
//! told apart, its revocation stops both, its rate limit is shared. So the registry refuses a second
//! client of a tenant, one client id (compared without case) at one server under two tenants (see
//! [`endpoint`](super::endpoint) for what one server is), and one secret or key under two tenants,
//! wherever they use it.
//!
//! To find an equal secret, secrets need not be kept twice: a table of their HMACs under a key of
//! this process does it. Whoever reads the table without the key learns nothing, not even by trying
//! short secrets, and the time of a look-up depends on the HMACs alone.

use std::{collections::BTreeMap, fmt, sync::Arc};

use aws_lc_rs::hmac;
use cofferdam_core::TenantId;

use super::{
    Credential, InvalidClient,
    config::{Client, ClientConfig},
};

/// The most clients of one registry.
const MAX_CLIENTS: usize = 100_000;

/// The clients of all tenants; each belongs to exactly one.
pub struct Clients {
    key: hmac::Key,
    clients: BTreeMap<TenantId, Arc<Client>>,
    /// By server and lower-case client id.
    ids: BTreeMap<(String, String), TenantId>,
    credentials: BTreeMap<Fingerprint, TenantId>,
}

type Fingerprint = [u8; 32];

/// What only one tenant may have.
struct Marks {
    id: (String, String),
    credential: Fingerprint,
}

impl Clients {
    /// An empty registry. `key` is fresh random bytes; nothing made with it leaves the process.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            clients: BTreeMap::new(),
            ids: BTreeMap::new(),
            credentials: BTreeMap::new(),
        }
    }

    /// Registers a tenant's client.
    ///
    /// # Errors
    ///
    /// [`InvalidClient`] if the record is not sound, the tenant has a client, or another tenant has
    /// the client id or the credential. Nothing has changed then.
    pub fn register(&mut self, config: ClientConfig) -> Result<Arc<Client>, InvalidClient> {
        if self.clients.contains_key(&config.tenant) {
            return Err(InvalidClient::TenantTaken);
        }
        if self.clients.len() >= MAX_CLIENTS {
            return Err(InvalidClient::Full);
        }
        self.put(config)
    }

    /// Puts another registration in the place of the tenant's own: a new secret, other scopes.
    ///
    /// # Errors
    ///
    /// [`InvalidClient`] as for [`register`](Self::register), or if the tenant has no client.
    /// Nothing has changed then.
    pub fn replace(&mut self, config: ClientConfig) -> Result<Arc<Client>, InvalidClient> {
        if !self.clients.contains_key(&config.tenant) {
            return Err(InvalidClient::UnknownTenant);
        }
        self.put(config)
    }

    /// Removes a tenant's client; whether there was one. Its id and credential are free again.
    pub fn remove(&mut self, tenant: &TenantId) -> bool {
        let Some(client) = self.clients.remove(tenant) else { return false };
        let marks = self.marks(&client);
        self.ids.remove(&marks.id);
        self.credentials.remove(&marks.credential);
        true
    }

    /// A tenant's client.
    #[must_use]
    pub fn get(&self, tenant: &TenantId) -> Option<&Arc<Client>> {
        self.clients.get(tenant)
    }

    fn put(&mut self, config: ClientConfig) -> Result<Arc<Client>, InvalidClient> {
        let origin = config.check()?;
        let client = Arc::new(Client { origin, config });
        let tenant = &client.config.tenant;
        let marks = self.marks(&client);
        let is_others = |owner: Option<&TenantId>| owner.is_some_and(|owner| !owner.same(tenant));
        if is_others(self.ids.get(&marks.id)) {
            return Err(InvalidClient::ClientShared);
        }
        if is_others(self.credentials.get(&marks.credential)) {
            return Err(InvalidClient::CredentialShared);
        }
        self.remove(tenant);
        self.ids.insert(marks.id, tenant.clone());
        self.credentials.insert(marks.credential, tenant.clone());
        self.clients.insert(tenant.clone(), Arc::clone(&client));
        Ok(client)
    }

    fn marks(&self, client: &Client) -> Marks {
        let (kind, bytes) = match &client.config.credential {
            Credential::Basic(secret) | Credential::Post(secret) => {
                (b's', secret.expose().as_bytes())
            }
            Credential::PrivateKey { key, .. } => (b'k', key.public()),
        };
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(&[kind]);
        mac.update(bytes);
        let mut credential = [0; 32];
        credential.copy_from_slice(mac.sign().as_ref());
        let id = (client.origin.clone(), client.config.client_id.to_ascii_lowercase());
        Marks { id, credential }
    }
}

/// Shows how many there are, not whose.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}
