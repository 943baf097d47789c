//! What holds of every text: order, boundaries, merging, and the number of steps.

use proptest::{prelude::*, sample::select};

use super::{text::Folder, *};

fn all() -> DetectorSet {
    Detector::ALL.into_iter().collect()
}

pub(super) fn find_in(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    find(all(), text, &mut Scratch::default(), &mut found);
    found
}

#[test]
fn names_are_those_of_documents() {
    let names = Detector::ALL.map(|detector| serde_json::to_string(&detector).unwrap());
    let expected = ["phone", "email", "card", "iban", "ip", "url-credentials", "bearer"]
        .map(|name| format!("{name:?}"));
    assert_eq!(names, expected);
    for (detector, name) in Detector::ALL.into_iter().zip(&names) {
        assert_eq!(serde_json::from_str::<Detector>(name).unwrap(), detector);
    }
    assert!(Detector::ALL.is_sorted());
}

#[test]
fn only_those_look_that_were_asked_for() {
    let text = "a@example.com 192.0.2.1";
    for detector in [Detector::Email, Detector::Ip] {
        let (mut scratch, mut found) = (Scratch::default(), Vec::new());
        find([detector].into_iter().collect(), text, &mut scratch, &mut found);
        assert_eq!(found.iter().map(|found| found.detector).collect::<Vec<_>>(), [detector]);
        find(DetectorSet::default(), text, &mut scratch, &mut found);
        assert!(found.is_empty());
    }
}

#[test]
fn what_overlaps_is_one_range_under_the_first_name() {
    let text = "https://x.example/?token=a@example.com,192.0.2.1 then";
    let found = find_in(text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].detector, Detector::UrlCredentials);
    assert_eq!(&text[found[0].start..found[0].end], "a@example.com,192.0.2.1");
}

#[test]
fn ranges_are_those_of_the_text_before_folding() {
    let text = "は\u{202a}＋１　４１５　５５５　０１００\u{202c}、a\u{200b}b@example.com";
    let shown: Vec<&str> = find_in(text).iter().map(|f| &text[f.start..f.end]).collect();
    assert_eq!(shown, ["＋１　４１５　５５５　０１００\u{202c}", "a\u{200b}b@example.com"]);
}

/// Looks at bytes, one for each byte of `pattern` as often as it is repeated, with all detectors.
fn steps(text: &str) -> usize {
    let mut folder = Folder::default();
    let (folded, origins) = folder.fold(text);
    let text = Text::new(folded);
    merge(all(), &text, origins, &mut Vec::new());
    text.steps()
}

/// Texts that would be dear for a search that tries again from every place.
const ADVERSARIAL: [&str; 63] = [
    "+",
    "(",
    "1",
    "0",
    "a",
    ".",
    ":",
    "@",
    "%40",
    "-",
    " ",
    "\"",
    "*",
    "=",
    "é",
    "漢",
    "０",
    "1 ",
    "1-",
    "1.",
    "1:",
    "12 ",
    "0 1",
    "+1 ",
    "(1)",
    "(1) ",
    "4111 ",
    "4111-",
    "4 1 1 ",
    "41111111111111",
    "DE89 ",
    "DE89",
    "DE8",
    "a@",
    "a@a",
    "a@a.",
    "a.a@",
    "\"@",
    "\"%40",
    "a%40a",
    "漢@漢.",
    "http://",
    "http://a:",
    "x://a:b/",
    "x://a:b@",
    "a:b@c/",
    "?token=",
    "?token=*",
    "?token={",
    "&key=.",
    "?a=",
    "Bearer ",
    "Bearer a",
    "bearer=.",
    "bearer-",
    "authorization:",
    "authorization=a",
    "eyJ",
    "eyJ-",
    "eyJ.",
    "eyJhbGciOi.",
    "sk-a-",
    "ghp_-",
];

/// N01: texts that are made to be dear are twice as dear at twice the length.
#[test]
fn twice_the_text_is_twice_the_work() {
    let mut dearest = (0, "");
    for pattern in ADVERSARIAL {
        for tail in ["", "@example.com", "1", "!", " x"] {
            let text = |times| pattern.repeat(times) + tail;
            let (once, twice) = (text(1_000), text(2_000));
            let (steps_once, steps_twice) = (steps(&once), steps(&twice));
            assert!(steps_twice < steps_once * 21 / 10, "{pattern}: {steps_once} to {steps_twice}");
            dearest = dearest.max((steps_twice / twice.len(), pattern));
        }
    }
    println!("at most {} steps a byte, for {:?} again and again", dearest.0, dearest.1);
    assert!(dearest.0 < 500, "{dearest:?}");
}

/// Pieces that candidates are made of.
const PIECES: [&str; 58] = [
    "+",
    "(",
    ")",
    "-",
    ".",
    " ",
    ":",
    "/",
    "//",
    "@",
    "?",
    "&",
    "=",
    "%40",
    "*",
    "\"",
    ",",
    ";",
    "x",
    "a",
    "0",
    "1",
    "7",
    "12",
    "415",
    "555",
    "0100",
    "4111",
    "4111111111111111",
    "DE89",
    "370400440532013000",
    "2001:db8::",
    "::1",
    "192.0.2.1",
    "http://",
    "://",
    "token=",
    "?token=",
    "&key=",
    "Bearer ",
    "bearer",
    "Authorization: ",
    "Basic ",
    "eyJhbGciOiJub25lIn0",
    "ghp_",
    "AKIA",
    "IOSFODNN7EXAMPLE",
    "example.com",
    "alice",
    "tel ",
    "ext",
    "é",
    "漢",
    "は",
    "１",
    "－",
    "\u{200b}",
    "\u{a0}",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec(select(&PIECES[..]), 0..24).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4_000, ..Default::default() })]

    #[test]
    fn ranges_ascend_and_stand_on_characters(text in text()) {
        let mut end = 0;
        for found in find_in(&text) {
            prop_assert!(end <= found.start && found.start < found.end, "{:?}", text);
            prop_assert!(text.get(found.start..found.end).is_some());
            end = found.end;
        }
    }

    #[test]
    fn nothing_is_found_again_where_it_was_masked(text in text()) {
        let found = find_in(&text);
        let mut masked = text.clone().into_bytes();
        for found in &found {
            masked[found.start..found.end].fill(b'*');
        }
        let masked = String::from_utf8(masked).unwrap();
        for again in find_in(&masked) {
            let is_again = |found: &Found| {
                found.detector == again.detector && found.start < again.end && again.start < found.end
            };
            prop_assert!(!found.iter().any(is_again), "{} {} {:?}", text, masked, again);
        }
    }

    #[test]
    fn all_together_cover_what_each_finds_alone(text in text()) {
        let together = find_in(&text);
        let mut found = Vec::new();
        for detector in Detector::ALL {
            find([detector].into_iter().collect(), &text, &mut Scratch::default(), &mut found);
            for alone in &found {
                prop_assert!(together.iter().any(|all| all.start <= alone.start && alone.end <= all.end));
            }
        }
    }

    #[test]
    fn any_text_takes_so_many_steps_a_byte(text in text()) {
        prop_assert!(steps(&text) <= 500 * (text.len() + 1), "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..Default::default() })]

    /// N01: no text becomes dearer by the byte when it is repeated.
    #[test]
    fn any_text_is_as_dear_the_second_time(
        pieces in prop::collection::vec(select(&PIECES[..]), 1..5),
        tail in select(&PIECES[..]),
    ) {
        let text = |times| pieces.concat().repeat(times) + tail;
        let (once, twice) = (steps(&text(100)), steps(&text(200)));
        prop_assert!(twice < once * 21 / 10 + 2_000, "{:?} {}: {} to {}", pieces, tail, once, twice);
    }
}
