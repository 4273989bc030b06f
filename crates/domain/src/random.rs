//! Randomness as a parameter.

use std::fmt::Write as _;

use secrecy::SecretString;

/// A source of cryptographically secure random bytes. The one implementation lives in `server`.
pub trait Random: Send + Sync {
    /// Fills the whole buffer; never fails (an operating system without entropy is not survivable).
    fn fill(&self, buffer: &mut [u8]);
}

impl dyn Random + '_ {
    /// A secret of 256 random bits in lower-case hexadecimal (64 characters), safe in URLs, headers and forms.
    pub fn secret(&self) -> SecretString {
        SecretString::from(self.hex::<32>())
    }

    /// `N` random bytes in lower-case hexadecimal.
    pub fn hex<const N: usize>(&self) -> String {
        let mut bytes = [0u8; N];
        self.fill(&mut bytes);
        bytes
            .iter()
            .fold(String::with_capacity(N * 2), |mut text, byte| {
                write!(text, "{byte:02x}").expect("writing to a String cannot fail");
                text
            })
    }
}
