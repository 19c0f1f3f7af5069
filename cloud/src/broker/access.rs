//! Who may read and write what: the dynamic-security plugin's clients and roles.
//!
//! Each box has a user, bound to its client id, and a role of literal topics: what it subscribes to, and its own prefix.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stagebox_protocol::BoxId;
use stagebox_protocol::topic::PREFIX;
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;

/// Secrets are 256 random bits: no guessing is slowed down by more rounds.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(101).expect("101 is not zero");
/// As the plugin has them.
const SALT_BYTES: usize = 12;
const HASH_BYTES: usize = 64;
/// The plugin's control topic.
pub(crate) const CONTROL: &str = "$CONTROL/dynamic-security/v1";
/// Where the plugin answers.
pub(crate) const CONTROL_RESPONSE: &str = "$CONTROL/dynamic-security/v1/response";

/// A secret's salted hash, PBKDF2 with HMAC-SHA-512 (RFC 8018), as Mosquitto's plugin checks it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    hash: String,
    salt: String,
    iterations: u32,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl Verifier {
    /// Hashes a secret.
    pub fn new(secret: &str, salt: [u8; SALT_BYTES]) -> Self {
        let hash = derive(secret, &salt, ITERATIONS);
        Self { hash: STANDARD.encode(hash), salt: STANDARD.encode(salt), iterations: ITERATIONS.get() }
    }

    /// Whether this is the secret, in a time that does not depend on where they differ.
    pub fn matches(&self, secret: &str) -> bool {
        let salt = STANDARD.decode(&self.salt).unwrap_or_default();
        let hash = STANDARD.decode(&self.hash).unwrap_or_default();
        let Some(iterations) = NonZeroU32::new(self.iterations) else { return false };
        hash.len() == HASH_BYTES && bool::from(derive(secret, &salt, iterations).ct_eq(hash.as_slice()))
    }
}

fn derive(secret: &str, salt: &[u8], iterations: NonZeroU32) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, salt, secret.as_bytes(), &mut hash);
    hash
}

/// A user of the broker.
#[derive(Debug, Clone)]
pub struct Credential {
    user: String,
    verifier: Verifier,
    enabled: bool,
    role: Role,
}

#[derive(Debug, Clone)]
enum Role {
    Cloud,
    Box(BoxId),
}

impl Credential {
    /// A box's user: its id.
    pub fn of_box(device: BoxId, verifier: Verifier, enabled: bool) -> Self {
        Self { user: device.to_string(), verifier, enabled, role: Role::Box(device) }
    }

    pub(super) fn of_cloud(user: String, verifier: Verifier) -> Self {
        Self { user, verifier, enabled: true, role: Role::Cloud }
    }

    fn client(&self) -> Value {
        let mut client = json!({
            "username": self.user,
            "clientid": self.user,
            "password": self.verifier.hash,
            "salt": self.verifier.salt,
            "iterations": self.verifier.iterations,
            "roles": [{ "rolename": self.user }],
        });
        if !self.enabled {
            client["disabled"] = true.into();
        }
        client
    }

    fn role(&self) -> Value {
        let acls = match &self.role {
            Role::Cloud => cloud_rules(),
            Role::Box(device) => box_rules(device),
        };
        json!({ "rolename": self.user, "acls": acls })
    }
}

fn rule(kind: &str, topic: &str) -> Value {
    json!({ "acltype": kind, "topic": topic, "priority": 0, "allow": true })
}

/// What a box may do; everything else is denied.
fn box_rules(device: &BoxId) -> Vec<Value> {
    let mut rules = Vec::new();
    for topic in device.subscriptions() {
        rules.push(rule("subscribeLiteral", &topic));
        rules.push(rule("publishClientReceive", &topic));
    }
    rules.extend(device.publications().iter().map(|topic| rule("publishClientSend", topic)));
    rules
}

/// What the cloud may do: everything below the product's prefix, and govern the others.
fn cloud_rules() -> Vec<Value> {
    let all = format!("{PREFIX}#");
    let control = "$CONTROL/dynamic-security/#";
    let kinds = ["publishClientSend", "publishClientReceive", "subscribePattern"];
    kinds.iter().flat_map(|kind| [rule(kind, &all), rule(kind, control)]).collect()
}

/// The plugin's configuration file.
pub(super) fn dynamic_security(clients: &[Credential]) -> Vec<u8> {
    let config = json!({
        "defaultACLAccess": {
            "publishClientSend": false,
            "publishClientReceive": false,
            "subscribe": false,
            "unsubscribe": true,
        },
        "clients": clients.iter().map(Credential::client).collect::<Vec<_>>(),
        "groups": [],
        "roles": clients.iter().map(Credential::role).collect::<Vec<_>>(),
    });
    config.to_string().into_bytes()
}

/// A change of who may use the broker while it runs, as a payload for the plugin's control topic.
#[derive(Clone)]
pub struct AdminCommand(Value);

impl AdminCommand {
    /// Lets a new box in.
    pub fn add_box(device: &BoxId, secret: &str) -> Self {
        Self(json!({ "commands": [
            { "command": "createRole", "rolename": device, "acls": box_rules(device) },
            {
                "command": "createClient",
                "username": device,
                "clientid": device,
                "password": secret,
                "roles": [{ "rolename": device }],
            },
        ]}))
    }

    /// Lets a box in again, or shuts it out: its session ends at once.
    pub fn set_enabled(device: &BoxId, enabled: bool) -> Self {
        let command = if enabled { "enableClient" } else { "disableClient" };
        Self(json!({ "commands": [{ "command": command, "username": device }] }))
    }

    /// Forgets a box that is gone: its session ends at once.
    pub fn remove_box(device: &BoxId) -> Self {
        Self(json!({ "commands": [
            { "command": "deleteClient", "username": device },
            { "command": "deleteRole", "rolename": device },
        ]}))
    }

    /// Whether it ends a box's session.
    pub(crate) fn shuts_out(&self) -> bool {
        self.0["commands"][0]["command"] == "disableClient"
    }

    /// The payload; it may hold a secret and is not for logs.
    pub fn payload(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

impl std::fmt::Debug for AdminCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminCommand(…)")
    }
}

/// What the plugin could not do, from its answer.
pub(crate) fn refusals(answer: &[u8]) -> Vec<String> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let responses = answer["responses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refused = responses.iter().filter_map(|response| {
        let error = response["error"].as_str()?;
        Some(format!("{}: {error}", response["command"].as_str().unwrap_or("?")))
    });
    refused.collect()
}
