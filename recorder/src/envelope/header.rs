//! The textual head of an envelope: the file key, wrapped for each recipient, and a MAC over it all.

use std::io::Read;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use hkdf::hmac::{Hmac, Mac};
use sha2::Sha256;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use super::{EnvelopeError, FILE_KEY_LEN, Identity, KEY_LEN, Recipient, derive, keys::random};

const VERSION_LINE: &str = "age-encryption.org/v1\n";
const STANZA_MARK: &str = "-> ";
const END_MARK: &str = "---";
const X25519: &str = "X25519";
const WRAP_INFO: &[u8] = b"age-encryption.org/v1/X25519";
/// A line of a stanza's body is full at this length; the last one is shorter.
const COLUMNS: usize = 64;
const WRAPPED_LEN: usize = FILE_KEY_LEN + 16;
/// Room for a hundred recipients; a longer header is not read on.
const HEADER_LEN_MAX: usize = 32 * 1024;

type FileKey = Zeroizing<[u8; FILE_KEY_LEN]>;

pub(super) fn write(file_key: &FileKey, recipients: &[Recipient]) -> Result<String, EnvelopeError> {
    let mut text = VERSION_LINE.to_owned();
    for recipient in recipients {
        let mut ephemeral = Zeroizing::new([0; KEY_LEN]);
        random(ephemeral.as_mut_slice())?;
        let ephemeral = StaticSecret::from(*ephemeral);
        let share = PublicKey::from(&ephemeral);
        let key = wrap_key(
            &ephemeral.diffie_hellman(recipient.public()),
            &share,
            recipient.public(),
        )
        .ok_or(EnvelopeError::Recipient)?;
        let mut wrapped = Zeroizing::new(file_key.to_vec());
        ChaCha20Poly1305::new(&(*key).into())
            .encrypt_in_place(&[0; 12].into(), b"", &mut *wrapped)
            .map_err(|_| EnvelopeError::Recipient)?;
        text += &format!(
            "{STANZA_MARK}{X25519} {}\n{}\n",
            BASE64.encode(share.as_bytes()),
            BASE64.encode(&*wrapped)
        );
    }
    text += END_MARK;
    let mac = BASE64.encode(mac(file_key, &text)?.finalize().into_bytes());
    Ok(format!("{text} {mac}\n"))
}

/// The file key, when one of the identities opens a stanza and the MAC holds. Reads no byte beyond the header.
pub(super) fn read(
    input: &mut impl Read,
    identities: &[Identity],
) -> Result<FileKey, EnvelopeError> {
    let mut left = HEADER_LEN_MAX;
    let mut line = || read_line(input, &mut left);
    if line()? != VERSION_LINE {
        return Err(EnvelopeError::NotOne("it doesn't begin as one"));
    }
    let mut text = VERSION_LINE.to_owned();
    let mut file_key = None;
    loop {
        let head = line()?;
        if let Some(end) = head.strip_prefix(END_MARK) {
            text += END_MARK;
            let sum = end.strip_prefix(' ').and_then(|sum| sum.strip_suffix('\n'));
            let sum = sum
                .and_then(|sum| BASE64.decode(sum).ok())
                .ok_or(EnvelopeError::NotOne("its header has no MAC"))?;
            let file_key = file_key.ok_or(EnvelopeError::NotForUs)?;
            return match mac(&file_key, &text)?.verify_slice(&sum) {
                Ok(()) => Ok(file_key),
                Err(_) => Err(EnvelopeError::HeaderChanged),
            };
        }
        let arguments = head
            .strip_prefix(STANZA_MARK)
            .map(|rest| rest.trim_end_matches('\n').to_owned())
            .ok_or(EnvelopeError::NotOne("its header is broken"))?;
        text += &head;
        let mut body = String::new();
        loop {
            let part = line()?;
            text += &part;
            let part = part.trim_end_matches('\n');
            body += part;
            if part.len() > COLUMNS {
                return Err(EnvelopeError::NotOne("a line of its header is too long"));
            }
            if part.len() < COLUMNS {
                break;
            }
        }
        if file_key.is_none() {
            file_key = unwrap(&arguments, &body, identities)?;
        }
    }
}

/// The file key of a stanza that is sealed for one of us; `None` for another's, and for a kind we don't speak.
fn unwrap(
    arguments: &str,
    body: &str,
    identities: &[Identity],
) -> Result<Option<FileKey>, EnvelopeError> {
    let mut words = arguments.split(' ');
    if words.next() != Some(X25519) {
        return Ok(None);
    }
    let broken = || EnvelopeError::NotOne("one of its stanzas is broken");
    let (Some(share), None) = (words.next(), words.next()) else {
        return Err(broken());
    };
    let share = BASE64.decode(share).map_err(|_| broken())?;
    let share = <[u8; KEY_LEN]>::try_from(share.as_slice()).map_err(|_| broken())?;
    let wrapped = BASE64.decode(body).map_err(|_| broken())?;
    // Checked before anything is decrypted: else one body could open under several keys.
    if wrapped.len() != WRAPPED_LEN {
        return Err(broken());
    }
    let share = PublicKey::from(share);
    for identity in identities {
        let ours = PublicKey::from(identity.secret());
        let shared = identity.secret().diffie_hellman(&share);
        let key = wrap_key(&shared, &share, &ours).ok_or_else(broken)?;
        let mut opened = Zeroizing::new(wrapped.clone());
        let fits = ChaCha20Poly1305::new(&(*key).into())
            .decrypt_in_place(&[0; 12].into(), b"", &mut *opened)
            .is_ok();
        if let (true, Ok(file_key)) = (fits, <[u8; FILE_KEY_LEN]>::try_from(opened.as_slice())) {
            return Ok(Some(Zeroizing::new(file_key)));
        }
    }
    Ok(None)
}

/// `None` for a share that makes the same secret with everybody's key.
fn wrap_key(
    shared: &SharedSecret,
    share: &PublicKey,
    recipient: &PublicKey,
) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let salt = [share.as_bytes().as_slice(), recipient.as_bytes()].concat();
    shared
        .was_contributory()
        .then(|| derive(shared.as_bytes(), &salt, WRAP_INFO))
}

fn mac(file_key: &FileKey, header: &str) -> Result<Hmac<Sha256>, EnvelopeError> {
    let key = derive(file_key.as_slice(), &[], b"header");
    // HMAC takes keys of any length, so this never fails.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_slice())
        .map_err(|_| EnvelopeError::HeaderChanged)?;
    mac.update(header.as_bytes());
    Ok(mac)
}

/// A line with its end, byte by byte: what follows the header isn't ours to take.
fn read_line(input: &mut impl Read, left: &mut usize) -> Result<String, EnvelopeError> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        if input.read(&mut byte)? == 0 || *left == 0 {
            return Err(EnvelopeError::NotOne("its header has no end"));
        }
        *left -= 1;
        line.push(byte[0]);
        if byte[0] == b'\n' {
            break;
        }
    }
    String::from_utf8(line).map_err(|_| EnvelopeError::NotOne("its header isn't text"))
}
