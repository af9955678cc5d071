// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keys: ed25519, in the files that OpenSSL reads and writes (PKCS#8 and SPKI, as PEM).

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use ed25519_dalek::{
    Signer as _, SigningKey, VerifyingKey,
    pkcs8::{
        DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
        KeypairBytes, spki::der::pem::LineEnding,
    },
};

use super::{Error, Hash, trusted};

/// Longest key file that is read.
const LONGEST: u64 = 1 << 16;

/// A key that signs.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    public: Public,
}

/// A key that verifies.
#[derive(Clone, Debug)]
pub struct Public {
    key: VerifyingKey,
    id: Hash,
}

impl fmt::Debug for Signer {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("id", &self.public.id).finish_non_exhaustive()
    }
}

impl Signer {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The kernel has no random bytes.
    pub fn generate() -> io::Result<Self> {
        Self::new(SigningKey::from_bytes(&random()?)).map_err(io::Error::other)
    }

    fn new(key: SigningKey) -> Result<Self, String> {
        let public = Public::new(key.verifying_key())?;
        Ok(Self { key, public })
    }

    /// Reads a file that nobody but its owner, who is root or we, can read or write.
    ///
    /// # Errors
    ///
    /// It is not there, is not such a file, or has no such key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(path, "open the signing key"))?;
        trusted::secret(&file, path)?;
        let text = read(file, path)?;
        let wrong = |reason: String| Error::Key { path: path.to_owned(), reason };
        let key = SigningKey::from_pkcs8_pem(&text).map_err(|error| wrong(error.to_string()))?;
        Self::new(key).map_err(wrong)
    }

    /// Writes both halves to files that are not there yet: `path`, and `path` with `.pub` behind it.
    ///
    /// # Errors
    ///
    /// They are there, or cannot be written.
    pub fn write(&self, path: &Path) -> Result<PathBuf, Error> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let public = PathBuf::from(public);
        // Without the public half in it, as every OpenSSL reads it.
        let pair = KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        let wrong =
            |error: &dyn fmt::Display| Error::Key { path: path.to_owned(), reason: error.to_string() };
        let secret = pair.to_pkcs8_pem(LineEnding::LF).map_err(|error| wrong(&error))?;
        let shown = self.public.pem().map_err(|error| wrong(&error))?;
        create(path, 0o600, secret.as_bytes())?;
        create(&public, 0o644, shown.as_bytes()).inspect_err(|_| drop(fs::remove_file(path)))?;
        Ok(public)
    }

    /// Names the key: the SHA-256 of its public half (SPKI, DER).
    #[must_use]
    pub const fn id(&self) -> Hash {
        self.public.id
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &Public {
        &self.public
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }
}

impl Public {
    fn new(key: VerifyingKey) -> Result<Self, String> {
        let der = key.to_public_key_der().map_err(|error| error.to_string())?;
        Ok(Self { key, id: Hash::of(der.as_bytes()) })
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It is not there, or has no such key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(path, "open the public key"))?;
        let text = read(file, path)?;
        let wrong = |reason: String| Error::Key { path: path.to_owned(), reason };
        let key = VerifyingKey::from_public_key_pem(&text).map_err(|error| wrong(error.to_string()))?;
        Self::new(key).map_err(wrong)
    }

    /// Names the key.
    #[must_use]
    pub const fn id(&self) -> Hash {
        self.id
    }

    /// Whether this is the signature of that, by this key.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }

    fn pem(&self) -> Result<String, String> {
        self.key.to_public_key_pem(LineEnding::LF).map_err(|error| error.to_string())
    }
}

/// Bytes that nobody can guess.
///
/// # Errors
///
/// The kernel has none.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read(file: File, path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(Error::io(path, "read the key"))?;
    Ok(text)
}

fn create(path: &Path, mode: u32, content: &[u8]) -> Result<(), Error> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(Error::io(path, "write the key"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_read_as_they_were_written_and_only_by_their_owner() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("key");
        let signer = Signer::generate().unwrap();
        let public = signer.write(&path).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
        let (again, public) = (Signer::read(&path).unwrap(), Public::read(&public).unwrap());
        assert_eq!((again.id(), public.id()), (signer.id(), signer.id()));
        assert!(public.verifies(b"x", &again.sign(b"x")));
        assert!(!public.verifies(b"y", &again.sign(b"x")));
        assert!(signer.write(&path).is_err(), "a key is not overwritten");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Signer::read(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    /// What `openssl genpkey -algorithm ed25519` writes.
    #[test]
    fn keys_of_openssl_are_read() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("key");
        let text = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                    -----END PRIVATE KEY-----\n";
        create(&path, 0o600, text.as_bytes()).unwrap();
        assert!(Signer::read(&path).is_ok());
    }
}
