//! Planted secrets: personal values that carry a mark, so that a test can look for leaks in any output.
//!
//! A stream with [`Profile::planted`](super::Profile::planted) writes a mark into every value that
//! stands for personal data. A mark names its tenant, its kind of field and its event, and is made
//! of letters and digits only, so that no JSON, URL or shell escaping changes it:
//!
//! ```text
//! text:    zq 000042 4 0000001f      in names, e-mails, contact ids, recording URLs, ...
//!             |      | `-- event, hexadecimal
//!             |      `-- kind of field (SecretField as a digit)
//!             `-- tenant's index in its fleet
//! number:  +9797 000042 0 0031       in telephone numbers; 15 digits, the most that E.164 allows
//! ```
//!
//! No other value of a frame holds `zq` or a run of digits that begins like a number's mark.

use memchr::memmem;

use super::DemoTenant;

pub(crate) const TEXT_MARK: &[u8; 2] = b"zq";
pub(crate) const DIGIT_MARK: &[u8; 4] = b"9797";

/// Which kind of personal value a mark stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretField {
    /// `caller.phoneNumber`.
    CallerPhone,
    /// `ani`: the number that called.
    Ani,
    /// `dnis`: the number that was called.
    Dnis,
    /// `address`, `addressFrom`, `callbackNumbers`, ...
    Address,
    /// `interaction.contactId`.
    ContactId,
    /// `telephony.call.recordingUrl`.
    RecordingUrl,
    /// A person's name.
    Name,
    /// An e-mail address.
    Email,
    /// `ssn`.
    Ssn,
    /// Postal addresses, account numbers, what was said.
    Other,
}

impl SecretField {
    const ALL: [Self; 10] = [
        Self::CallerPhone,
        Self::Ani,
        Self::Dnis,
        Self::Address,
        Self::ContactId,
        Self::RecordingUrl,
        Self::Name,
        Self::Email,
        Self::Ssn,
        Self::Other,
    ];

    pub(crate) const fn digit(self) -> u8 {
        b'0' + self as u8
    }

    fn from_digit(digit: u8) -> Option<Self> {
        Self::ALL.get(usize::from(digit.checked_sub(b'0')?)).copied()
    }
}

/// A mark that was found: where, and what kind of value it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leak {
    /// The offset of the mark's first byte.
    pub at: usize,
    /// The kind of value, unless the output cut the mark off before it.
    pub field: Option<SecretField>,
}

/// Finds the marks of one tenant in anything.
///
/// A value whose mark was cut short (a masked telephone number that shows its last two digits) does
/// not match, a whole or a truncated one of which the tenant's part is left does.
#[derive(Debug, Clone)]
pub struct Secrets {
    text: memmem::Finder<'static>,
    digits: memmem::Finder<'static>,
}

impl Secrets {
    /// The matcher for `tenant`'s marks and nobody else's.
    #[must_use]
    pub fn of(tenant: &DemoTenant) -> Self {
        Self::new(&tenant.code())
    }

    /// The matcher for every tenant's marks.
    #[must_use]
    pub fn of_anybody() -> Self {
        Self::new(b"")
    }

    fn new(code: &[u8]) -> Self {
        let finder = |mark: &[u8]| memmem::Finder::new(&[mark, code].concat()).into_owned();
        Self { text: finder(TEXT_MARK), digits: finder(DIGIT_MARK) }
    }

    /// The first mark in `output`.
    #[must_use]
    pub fn find(&self, output: &[u8]) -> Option<Leak> {
        self.all(output).min_by_key(|leak| leak.at)
    }

    /// Every mark in `output`: those in texts, then those in numbers.
    pub fn all<'a>(&'a self, output: &'a [u8]) -> impl Iterator<Item = Leak> + 'a {
        let marks = |finder: &'a memmem::Finder<'static>, field_at: usize| {
            finder.find_iter(output).map(move |at| Leak {
                at,
                field: output.get(at + field_at).copied().and_then(SecretField::from_digit),
            })
        };
        marks(&self.text, TEXT_MARK.len() + 6).chain(marks(&self.digits, DIGIT_MARK.len() + 6))
    }
}
