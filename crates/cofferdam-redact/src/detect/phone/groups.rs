//! Groups of digits, and what stands between them.

use super::super::text::Text;

/// No number is written in more.
pub(super) const MAX_GROUPS: usize = 12;

/// Digits of one group that are read at most; one more than any number has.
const MAX_GROUP: usize = 16;

/// A group of digits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    pub(super) start: usize,
    pub(super) digits: usize,
    /// The sign before it: a hyphen, a dot, a slash, a space if there is no more, NUL if nothing.
    separator: u8,
    is_opened: bool,
}

impl Group {
    pub(super) fn is_behind_space(&self) -> bool {
        self.separator == b' '
    }
}

/// The groups from one place on, as long as a number might go on.
#[derive(Debug)]
pub(super) struct Groups {
    groups: [Group; MAX_GROUPS],
    len: usize,
    has_plus: bool,
}

impl Groups {
    /// Reads the groups from `start` on, where a plus, a bracket or a digit stands.
    pub(super) fn read(text: &Text<'_>, start: usize) -> Self {
        let mut groups = [Group::default(); MAX_GROUPS];
        let mut at = start + usize::from(text.at(start) == b'(');
        let mut is_opened = at > start;
        let plus = plus(text, at);
        let has_plus = plus > 0;
        at += plus;
        if has_plus && matches!(text.at(at), b' ' | b'(') {
            is_opened |= text.at(at) == b'(';
            at += 1;
        }
        let (mut len, mut separator) = (0, 0);
        while let Some(slot) = groups.get_mut(len) {
            let digits = (0..MAX_GROUP).take_while(|n| text.is_digit(at + n)).count();
            if digits == 0 {
                break;
            }
            *slot = Group { start: at, digits, separator, is_opened };
            len += 1;
            let end = at + digits;
            (at, separator, is_opened) = gap(text, end);
            if at == end {
                break;
            }
        }
        Self { groups, len, has_plus }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn has_plus(&self) -> bool {
        self.has_plus
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().take(self.len)
    }

    /// Where the first `count` groups end.
    pub(super) fn end(&self, count: usize) -> usize {
        let last = self.groups.get(count.wrapping_sub(1)).copied().unwrap_or_default();
        last.start + last.digits
    }

    /// How many digits the first `count` groups have.
    pub(super) fn digits(&self, count: usize) -> usize {
        self.iter().take(count).map(|group| group.digits).sum()
    }

    /// The digit at `index`, whatever group it is in.
    pub(super) fn digit(&self, text: &Text<'_>, mut index: usize) -> Option<u8> {
        for group in self.iter() {
            if index < group.digits {
                return Some(text.at(group.start + index));
            }
            index -= group.digits;
        }
        None
    }

    /// The first digit of a group; NUL if there is no such group.
    pub(super) fn first_digit(&self, text: &Text<'_>, group: usize) -> u8 {
        self.iter().nth(group).map_or(0, |group| text.at(group.start))
    }

    /// Whether the groups from `skip` on have these numbers of digits; others may follow.
    pub(super) fn lengths(&self, skip: usize, lengths: &[usize]) -> bool {
        let found = self.iter().skip(skip).map(|group| group.digits).take(lengths.len());
        found.eq(lengths.iter().copied())
    }

    pub(super) fn is_opened(&self, group: usize) -> bool {
        self.iter().nth(group).is_some_and(|group| group.is_opened)
    }

    /// Whether `separator` stands between any two groups.
    pub(super) fn has(&self, separator: u8) -> bool {
        self.iter().any(|group| group.separator == separator)
    }

    /// Whether nothing but spaces stands between the groups.
    pub(super) fn are_spaced(&self) -> bool {
        self.iter().skip(1).all(|group| group.separator == b' ' && !group.is_opened)
    }

    /// Whether there are four groups or more with dots between them: an address or a version.
    pub(super) fn is_dotted(&self) -> bool {
        self.iter().skip(1).take_while(|group| group.separator == b'.').count() >= 3
    }

    /// Whether the first three groups are a day, or a year and a month before it.
    pub(super) fn is_date(&self) -> bool {
        let [_, month, last, ..] = &self.groups;
        let is_joined =
            month.separator == last.separator && matches!(month.separator, b'-' | b'.' | b'/');
        let day_first = |lengths: &[usize]| self.lengths(0, lengths);
        let is_long = day_first(&[2, 2, 4]) || day_first(&[1, 2, 4]) || day_first(&[2, 1, 4]);
        let is_short = self.len == 3 && day_first(&[2, 2, 2]);
        is_joined && (is_long || is_short || self.lengths(0, &[4, 2, 2]))
    }
}

/// How wide the plus at `at` is, which queries write as `%2B`; 0 if there is none.
pub(super) fn plus(text: &Text<'_>, at: usize) -> usize {
    match text.at(at) {
        b'+' => 1,
        b'%' if text.has(at, "%2B") => 3,
        _ => 0,
    }
}

/// Where the group behind the gap at `start` begins, the sign in the gap, and whether a bracket opens. No
/// gap, no further group: then the place is `start` itself.
fn gap(text: &Text<'_>, start: usize) -> (usize, u8, bool) {
    let nothing = (start, 0, false);
    let mut at = start;
    at += usize::from(text.at(at) == b')');
    let mut separator = 0;
    if text.at(at) == b' ' {
        (at, separator) = (at + 1, b' ');
    }
    if matches!(text.at(at), b'-' | b'.' | b'/') {
        (at, separator) = (at + 1, text.at(at));
        at += usize::from(text.at(at) == b' ' && separator != b'.');
    }
    let is_opened = text.at(at) == b'(';
    at += usize::from(is_opened);
    if at > start && text.is_digit(at) { (at, separator, is_opened) } else { nothing }
}
