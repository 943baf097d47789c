//! The text that scanners look at: look-alikes folded to ASCII, and a way back to where they stood.
//!
//! Pasted text has digits, hyphens and spaces that are not ASCII's: full-width ones from Japanese
//! keyboards, the hyphens and spaces that do not break from word processors, the digits of Arabic and
//! Indian scripts, marks of direction around numbers out of address books. Each scanner would have to
//! know all of them, so they are folded once. Text that is ASCII already is looked at where it stands.

/// A range of bytes in the folded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The folded text, and where in the original its pieces stood.
#[derive(Default)]
pub(crate) struct Folder {
    folded: String,
    /// From `folded` on, a place in the folded text is that far behind `original`.
    shifts: Vec<Shift>,
}

#[derive(Clone, Copy)]
struct Shift {
    folded: usize,
    original: usize,
}

impl Folder {
    /// The folded text, and what leads its places back, if asked in ascending order.
    pub(super) fn fold<'a>(&'a mut self, text: &'a str) -> (&'a str, Origins<'a>) {
        self.folded.clear();
        self.shifts.clear();
        if text.is_ascii() {
            return (text, Origins::new(&[]));
        }
        for (original, char) in text.char_indices() {
            let expected = self.shifts.last().map_or(0, |shift| shift.original - shift.folded);
            // Folding never makes longer, so what was left out so far only grows.
            if original - self.folded.len() != expected {
                self.shifts.push(Shift { folded: self.folded.len(), original });
            }
            self.folded.extend(folded(char, self.folded.as_bytes().last().copied()));
        }
        self.shifts.push(Shift { folded: self.folded.len(), original: text.len() });
        (&self.folded, Origins::new(&self.shifts))
    }
}

/// Leads places of the folded text back to the original.
pub(super) struct Origins<'a> {
    current: Shift,
    next: &'a [Shift],
}

impl<'a> Origins<'a> {
    fn new(next: &'a [Shift]) -> Self {
        Self { current: Shift { folded: 0, original: 0 }, next }
    }

    /// Places must be asked for in ascending order.
    pub(super) fn of(&mut self, folded: usize) -> usize {
        while let Some((shift, next)) = self.next.split_first()
            && shift.folded <= folded
        {
            (self.current, self.next) = (*shift, next);
        }
        self.current.original + (folded - self.current.folded)
    }
}

/// The zeros of the scripts whose digits are folded, each followed by its other nine.
const ZEROS: [u32; 9] = [0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xe50, 0x1d7ce, 0x1d7f6];

/// What stands for `char`; nothing for marks that cannot be seen.
fn folded(char: char, before: Option<u8>) -> Option<char> {
    let code = u32::from(char);
    match code {
        ..0x80 => Some(char),
        // The soft hyphen, zero widths, marks of direction, variations, and the frame of a keycap.
        0xad
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x2069
        | 0xfe0e
        | 0xfe0f
        | 0xfeff
        | 0x20e3 => None,
        0xff01..=0xff5e => char::from_u32(code - 0xfee0),
        0x2010..=0x2015 | 0x2212 | 0xfe58 | 0xfe63 => Some('-'),
        // The long vowel mark, which stands for a hyphen between digits.
        0x30fc if before.is_some_and(|before| before.is_ascii_digit()) => Some('-'),
        _ if char.is_whitespace() => Some(' '),
        _ => {
            let digit = ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|at| *at < 10));
            Some(digit.and_then(|digit| char::from_digit(digit, 10)).unwrap_or(char))
        }
    }
}

/// Folded text. Beyond its end there are NULs, so that no scanner has to look where it ends.
pub(super) struct Text<'t> {
    text: &'t str,
    /// How many bytes were looked at: what the tests of linearity count.
    #[cfg(test)]
    steps: core::cell::Cell<usize>,
}

impl<'t> Text<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            #[cfg(test)]
            steps: core::cell::Cell::new(0),
        }
    }

    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.steps.get()
    }

    #[inline]
    fn count(&self, _steps: usize) {
        #[cfg(test)]
        self.steps.set(self.steps.get() + _steps);
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    #[inline]
    pub(super) fn at(&self, at: usize) -> u8 {
        self.count(1);
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The byte before `at`; NUL at the beginning.
    #[inline]
    pub(super) fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |before| self.at(before))
    }

    #[inline]
    pub(super) fn is_digit(&self, at: usize) -> bool {
        self.at(at).is_ascii_digit()
    }

    pub(super) fn is_digit_before(&self, at: usize) -> bool {
        self.before(at).is_ascii_digit()
    }

    /// Whether `word` stands at `at`, in whatever case.
    pub(super) fn has(&self, at: usize, word: &str) -> bool {
        word.bytes().enumerate().all(|(n, byte)| self.at(at + n).eq_ignore_ascii_case(&byte))
    }

    /// The characters of `set` from `at` on: where they end.
    pub(super) fn run(&self, at: usize, set: impl Fn(u8) -> bool) -> usize {
        let mut end = at;
        while end < self.len() && set(self.at(end)) {
            end += 1;
        }
        end
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'t str {
        self.count(end.saturating_sub(start));
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn char_at(&self, at: usize) -> Option<char> {
        self.count(1);
        self.text.get(at..)?.chars().next()
    }

    pub(super) fn char_before(&self, at: usize) -> Option<char> {
        self.count(1);
        self.text.get(..at)?.chars().next_back()
    }
}

/// ASCII letters, digits and the underscore: what makes a number a part of a longer name. Letters of
/// other scripts do not; Japanese has no spaces between words and numbers.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Letters and digits that are not ASCII, of scripts that set spaces between words: below U+0530 stand
/// Latin, Greek and Cyrillic. The others go on without a gap into the sentence around.
pub(super) fn is_narrow(char: char) -> bool {
    !char.is_ascii() && char < '\u{530}' && (char.is_alphanumeric() || char >= '\u{300}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_to_the_original() {
        let mut folder = Folder::default();
        let text = "a\u{200b}é１－\u{a0}2٣z";
        let (folded, mut origins) = folder.fold(text);
        assert_eq!(folded, "aé1- 23z");
        let originals: Vec<&str> = folded
            .char_indices()
            .map(|(at, char)| (at, at + char.len_utf8()))
            .map(|(start, end)| (origins.of(start), end))
            .map(|(start, _)| &text[start..])
            .collect();
        let firsts: String = originals.iter().filter_map(|rest| rest.chars().next()).collect();
        assert_eq!(firsts, "aé１－\u{a0}2٣z");
        assert_eq!(origins.of(folded.len()), text.len());
    }

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        let mut folder = Folder::default();
        let (folded, mut origins) = folder.fold("\u{202a}+1\u{202c}");
        assert_eq!((folded, origins.of(0), origins.of(2)), ("+1", 3, 8));
        assert_eq!(folder.fold("4\u{fe0f}\u{20e3}2").0, "42");
    }

    #[test]
    fn a_long_vowel_is_a_hyphen_behind_a_digit_only() {
        let mut folder = Folder::default();
        assert_eq!(folder.fold("０９０ー１メール").0, "090-1メール");
    }
}
