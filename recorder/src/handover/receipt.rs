//! The receiver's key, and the receipt it signs.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use callcore::scenario::Scenario;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::HandoverError;
use crate::{
    envelope::{Identity, Recipient},
    ledger::parse_public,
    text::{hex, sha256, unhex},
};

/// What the signing key is derived for, and what keeps its signatures apart from any others.
const CONTEXT: &str = "vaxel hand-over receipt 1";
const KEY_REMARK: &str = "# receipt-key: ";
/// A receipt has nine short fields.
const RECEIPT_LEN_MAX: u64 = 64 * 1024;
/// A receiver's key has four lines.
const RECEIVER_LEN_MAX: u64 = 4096;

/// Who receives: for whom a package is sealed, and whose signature its receipt carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    pub(super) recipient: Recipient,
    pub(super) receipt_key: VerifyingKey,
}

impl Receiver {
    /// The public half of a receiver's secret.
    pub fn of(identity: &Identity) -> Self {
        Self {
            recipient: identity.recipient(),
            receipt_key: signing_key(identity).verifying_key(),
        }
    }

    /// Reads a file that [`to_text`](Self::to_text) was written to.
    ///
    /// # Errors
    /// When it isn't one.
    pub fn read(path: &Path) -> Result<Self, HandoverError> {
        let failed = super::file(path);
        if fs::metadata(path).map_err(&failed)?.len() > RECEIVER_LEN_MAX {
            return Err(HandoverError::Receiver);
        }
        let text = fs::read_to_string(path).map_err(&failed)?;
        let key = text
            .lines()
            .find_map(|line| line.strip_prefix(KEY_REMARK))
            .and_then(|key| parse_public(key.trim()));
        let recipient = text.lines().find(|line| line.starts_with("age1"));
        match (key, recipient.map(Recipient::parse)) {
            (Some(receipt_key), Some(Ok(recipient))) => Ok(Self {
                recipient,
                receipt_key,
            }),
            _ => Err(HandoverError::Receiver),
        }
    }

    /// As a file that is also a recipients file of `age`.
    pub fn to_text(&self) -> String {
        format!(
            "# receiver of a hand-over: give this file to whoever hands over\n{KEY_REMARK}{}\n\
             # fingerprint, to be told by another way: {}\n{}\n",
            hex(self.receipt_key.as_bytes()),
            self.fingerprint(),
            self.recipient
        )
    }

    /// What both parts of it are known by, 64 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        fingerprint(
            &self.recipient.to_string(),
            &hex(self.receipt_key.as_bytes()),
        )
    }
}

/// What the receiver states: that all of it came, and is what was packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The hand-over.
    pub handover: String,
    /// Whose recordings.
    pub controller: String,
    /// SHA-256 of the bag's manifest, which stands inside the sealed package only.
    pub manifest: String,
    /// Recordings received.
    pub recordings: u64,
    /// Files received.
    pub files: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Recordings that the package says aren't in it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub left_out: u64,
    /// When, RFC 3339 in UTC.
    pub received: String,
    /// Ed25519 (RFC 8032) over all of it, 128 hexadecimal digits.
    pub signature: String,
}

impl Receipt {
    /// Reads a file that came from outside.
    ///
    /// # Errors
    /// When it can't be read, or isn't one.
    pub fn read(path: &Path) -> Result<Self, HandoverError> {
        let failed = super::file(path);
        let mut text = String::new();
        let mut file = fs::File::open(path)
            .map_err(&failed)?
            .take(RECEIPT_LEN_MAX + 1);
        match file.read_to_string(&mut text) {
            Ok(length) if length as u64 <= RECEIPT_LEN_MAX => Self::parse(&text),
            Err(error) if error.kind() != io::ErrorKind::InvalidData => Err(failed(error)),
            _ => Err(HandoverError::NoReceipt),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it isn't one.
    pub fn parse(text: &str) -> Result<Self, HandoverError> {
        serde_json::from_str(text).map_err(|_| HandoverError::NoReceipt)
    }

    pub(super) fn sign(mut self, identity: &Identity, now: Timestamp) -> Self {
        self.received = now.to_string();
        let signature = signing_key(identity).sign(&self.signed_bytes());
        self.signature = hex(&signature.to_bytes());
        self
    }

    pub(super) fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        let bytes = unhex(&self.signature);
        let bytes = bytes.and_then(|bytes| <[u8; 64]>::try_from(bytes.as_slice()).ok());
        bytes.is_some_and(|bytes| {
            key.verify_strict(&self.signed_bytes(), &Signature::from_bytes(&bytes))
                .is_ok()
        })
    }

    /// Every field with its length before it, so that no two receipts share them.
    fn signed_bytes(&self) -> Vec<u8> {
        let numbers = [self.recordings, self.files, self.bytes].map(|number| number.to_string());
        let texts = [
            &self.handover,
            &self.controller,
            &self.manifest,
            &self.received,
        ];
        // A receipt of all that was wanted is what it was before packages said what is missing.
        let left_out = (self.left_out > 0).then(|| self.left_out.to_string());
        let mut bytes = format!("{CONTEXT}\n").into_bytes();
        for field in texts.into_iter().chain(&numbers).chain(&left_out) {
            bytes.extend(format!("{}:{field}\n", field.len()).into_bytes());
        }
        bytes
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks in this way")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// The same of its parts as they are written down.
pub(super) fn fingerprint(recipient: &str, receipt_key: &str) -> String {
    sha256(format!("{recipient}\n{receipt_key}\n").as_bytes())
}

/// Whether the scenario names this receiver's key as the controller's; false when it names none. It doesn't come by the way on
/// which a package and a receipt come: who could exchange the key there would get the recordings, and have them erased here.
pub(super) fn is_named(
    scenario: &Scenario,
    controller: &str,
    fingerprint: &str,
) -> Result<bool, HandoverError> {
    let org = scenario.org_by_id(controller);
    match org.and_then(|org| scenario.org(org).receiver.as_deref()) {
        None => {
            tracing::warn!(
                controller,
                fingerprint,
                "the scenario names no receiver: nothing says that this key is the controller's"
            );
            Ok(false)
        }
        Some(named) if named == fingerprint => Ok(true),
        Some(_) => Err(HandoverError::OtherReceiver {
            controller: controller.to_owned(),
            fingerprint: fingerprint.to_owned(),
        }),
    }
}

fn signing_key(identity: &Identity) -> SigningKey {
    SigningKey::from_bytes(&identity.derive(CONTEXT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_no_text_is_no_receipt() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("receipt.json");
        let refused = || matches!(Receipt::read(&path), Err(HandoverError::NoReceipt));
        // More than there is memory.
        let file = fs::File::create(&path).expect("ours");
        file.set_len(1 << 42).expect("sparse");
        assert!(refused());
        fs::write(&path, [0xff; 10]).expect("ours");
        assert!(refused());
    }
}
