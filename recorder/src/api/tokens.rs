//! Who may ask: tokens, each with a role and bound to an organisation. Only a hash of each is kept.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{
    names::{ControllerName, NameError},
    text::{hex, sha256},
    vault::{VaultError, folder},
};

/// The folder among the keys: whoever may read keys may read hashes of tokens, and nobody else.
const FOLDER: &str = "api";
const FILE: &str = "tokens.json";
/// More than every nurse manager in Sweden.
pub const TOKENS_MAX: usize = 1000;
/// A token that never ends is never looked at again.
pub const LIFETIME_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
/// A name is a person's or a system's, not a document.
const NAME_LEN_MAX: usize = 64;
/// Enough that none comes twice, also after those before were forgotten. Ids of four bytes are of older tokens.
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
const PREFIX: &str = "vaxel";

/// What a token lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Searches and hears its organisation's recordings.
    Reader,
    /// Sees what is kept of its organisation, who has looked at it and when it goes; hears nothing.
    Dpo,
    /// Runs the recorder: figures of every controller, no recording.
    Operator,
    /// A switch that says which calls there were.
    Switch,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Dpo, Self::Operator, Self::Switch];

    /// Its name in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Dpo => "dpo",
            Self::Operator => "operator",
            Self::Switch => "switch",
        }
    }

    /// The role of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A token as it is kept: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Names it in lists and in the access log.
    pub id: String,
    /// Whose it is: a person or a system.
    pub name: String,
    /// The organisation it is bound to.
    pub organisation: String,
    /// What it permits.
    pub role: Role,
    /// When it was made, RFC 3339 in UTC.
    #[serde(with = "crate::moment")]
    pub created: Timestamp,
    /// The first moment it no longer holds.
    #[serde(with = "crate::moment")]
    pub expires: Timestamp,
    /// When it was revoked.
    #[serde(default, with = "crate::moment::option")]
    pub revoked: Option<Timestamp>,
    /// SHA-256 of its secret: 256 random bits need no slower hash.
    pub hash: String,
}

impl Token {
    /// `valid`, `expired` or `revoked`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.revoked {
            Some(_) => "revoked",
            None if self.expires <= now => "expired",
            None => "valid",
        }
    }
}

/// A token that was just made, with what is shown once.
#[derive(Debug)]
pub struct Made {
    /// As it is kept.
    pub token: Token,
    /// What its holder sends. Kept nowhere.
    pub secret: Secret,
}

/// Shown once, never logged.
pub struct Secret(String);

impl Secret {
    /// For the one line that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a token can't be made or looked up.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file or its folder can't be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A name that can't be used, or no random bytes.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The file isn't ours.
    #[error("{} isn't a list of tokens: restore it from a backup, or move it away and make new tokens", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Others can reach the file.
    #[error("others may read or change {0} (mode {mode:04o}): run chmod 600 {0}, and revoke what you don't know", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// As many as there may be.
    #[error(
        "there are {TOKENS_MAX} tokens: revoke some, and remove what has expired with `token prune`"
    )]
    TooMany,
    /// Too long, or over already.
    #[error(
        "a token holds at least a moment and at most 366 days: choose --expires so, and make a new one then"
    )]
    Lifetime,
    /// No such token.
    #[error("no token {0}: `vaxel recorder token list` shows which there are")]
    NotFound(String),
    /// Whose it is isn't said, or too long.
    #[error("say whose it is in 1 to {NAME_LEN_MAX} characters: --name \"Anna Nurse, quality\"")]
    Holder,
}

/// Makes a token; its secret is shown once, by whoever calls.
///
/// # Errors
/// When the organisation is no name, it would last too long, or the file can't be written.
pub fn create(
    keys: &Path,
    name: &str,
    organisation: &str,
    role: Role,
    now: Timestamp,
    expires: Timestamp,
) -> Result<Made, TokenError> {
    ControllerName::parse(organisation)?;
    if name.trim().is_empty() || name.len() > NAME_LEN_MAX || name.chars().any(char::is_control) {
        return Err(TokenError::Holder);
    }
    if expires <= now || expires.duration_since(now) > LIFETIME_MAX {
        return Err(TokenError::Lifetime);
    }
    let secret = random::<SECRET_BYTES>()?;
    let mut token = Token {
        hash: sha256(secret.as_bytes()),
        id: String::new(),
        name: name.trim().to_owned(),
        organisation: organisation.to_owned(),
        role,
        created: now,
        expires,
        revoked: None,
    };
    change(keys, |tokens| {
        if tokens.len() >= TOKENS_MAX {
            return Err(TokenError::TooMany);
        }
        token.id = fresh_id(tokens, random::<ID_BYTES>)?;
        tokens.push(token.clone());
        Ok(())
    })?;
    let shown = format!("{PREFIX}_{}_{secret}", token.id);
    Ok(Made {
        token,
        secret: Secret(shown),
    })
}

/// An id that no token has: two of one id couldn't be told apart in the access log, nor ended one by one.
fn fresh_id(
    tokens: &[Token],
    mut random: impl FnMut() -> Result<String, NameError>,
) -> Result<String, NameError> {
    loop {
        let id = random()?;
        if !tokens.iter().any(|token| token.id == id) {
            return Ok(id);
        }
    }
}

/// Every token, in the order they were made.
///
/// # Errors
/// When the file can't be read, or is open to others.
pub fn list(keys: &Path) -> Result<Vec<Token>, TokenError> {
    read(&keys.join(FOLDER).join(FILE))
}

/// Ends a token now; a running recorder knows at its next request.
///
/// # Errors
/// When there is none, or the file can't be written.
pub fn revoke(keys: &Path, id: &str, now: Timestamp) -> Result<Token, TokenError> {
    change(keys, |tokens| {
        let mut ended = None;
        // All of that id: an old file may have it twice.
        for token in tokens.iter_mut().filter(|token| token.id == id) {
            token.revoked.get_or_insert(now);
            ended.get_or_insert_with(|| token.clone());
        }
        ended.ok_or_else(|| TokenError::NotFound(id.chars().take(32).collect()))
    })
}

/// Forgets tokens that no longer hold; gives how many there were.
///
/// # Errors
/// When the file can't be written.
pub fn prune(keys: &Path, now: Timestamp) -> Result<usize, TokenError> {
    change(keys, |tokens| {
        let before = tokens.len();
        tokens.retain(|token| token.state(now) == "valid");
        Ok(before - tokens.len())
    })
}

/// The tokens as a running recorder knows them: read again when the file has changed.
#[derive(Debug)]
pub(super) struct Tokens {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Which file it was: inode, length, moment of the last change.
    file: Option<(u64, u64, i64, i64)>,
    tokens: Arc<[Token]>,
}

impl Tokens {
    /// Reads them now, so that a file open to others is refused at the start.
    pub(super) fn open(keys: &Path) -> Result<Self, TokenError> {
        let tokens = Self {
            path: keys.join(FOLDER).join(FILE),
            known: Mutex::default(),
        };
        tokens.now()?;
        Ok(tokens)
    }

    /// Whose token that is; `None` when it is nobody's, expired or revoked. Takes as long whatever is wrong with it.
    pub(super) fn find(&self, shown: &str, now: Timestamp) -> Result<Option<Token>, TokenError> {
        let tokens = self.now()?;
        let mut parts = shown.splitn(3, '_');
        let (prefix, id, secret) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
        let hash = sha256(secret.as_bytes());
        let nobody = "0".repeat(hash.len());
        let is_of = |kept: &str| -> bool { hash.as_bytes().ct_eq(kept.as_bytes()).into() };
        let mut token = None;
        let mut known = false;
        for of_id in tokens.iter().filter(|one| Some(one.id.as_str()) == id) {
            known = true;
            if is_of(&of_id.hash) {
                token = Some(of_id);
            }
        }
        if !known {
            // As long as for an id that there is.
            let _nobody = std::hint::black_box(is_of(&nobody));
        }
        Ok(token
            .filter(|token| prefix == Some(PREFIX) && token.state(now) == "valid")
            .cloned())
    }

    fn now(&self) -> Result<Arc<[Token]>, TokenError> {
        let file = match fs::metadata(&self.path) {
            Ok(meta) => Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(folder::unusable(&self.path)(error).into()),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.file != file {
            known.tokens = read(&self.path)?.into();
            known.file = file;
        }
        Ok(Arc::clone(&known.tokens))
    }
}

/// Changes the file; other commands wait meanwhile.
fn change<T>(
    keys: &Path,
    change: impl FnOnce(&mut Vec<Token>) -> Result<T, TokenError>,
) -> Result<T, TokenError> {
    let place = keys.join(FOLDER);
    folder::make_private(&place)?;
    let lock = place.join(".lock");
    let file = folder::create_private(&lock, true).map_err(folder::unusable(&lock))?;
    file.lock().map_err(folder::unusable(&lock))?;
    let path = place.join(FILE);
    let mut tokens = read(&path)?;
    let done = change(&mut tokens)?;
    let text = serde_json::to_vec_pretty(&tokens)
        .map_err(|_| TokenError::Damaged { path: path.clone() })?;
    folder::write_private(&path, &text)?;
    Ok(done)
}

fn read(path: &Path) -> Result<Vec<Token>, TokenError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(folder::unusable(path)(error).into()),
    };
    let meta = fs::metadata(path).map_err(folder::unusable(path))?;
    if let Some(mode) = folder::open_to_others(&meta) {
        return Err(TokenError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    serde_json::from_slice(&text).map_err(|_| TokenError::Damaged {
        path: path.to_owned(),
    })
}

fn random<const N: usize>() -> Result<String, NameError> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| NameError::NoRandom)?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests;
