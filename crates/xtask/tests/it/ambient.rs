//! Row S03: a context is a value. Nothing in the crates keeps one where code finds it unasked.

use super::workspace::{files, read};

/// What holds a value for whoever runs on a thread or a task. It leaks across `spawn` (the new task
/// has none, or the thread's last), `select` (the branch that lost leaves its own behind) and panic.
const AMBIENT: [&str; 5] =
    ["thread_local!", "task_local!", "LocalKey", "static mut ", "lazy_static!"];

/// What a static may hold in the code that ships: nothing that changes after it is made.
const CHANGING: [&str; 7] =
    ["Mutex", "RwLock", "RefCell", "Cell<", "ArcSwap", "AtomicPtr", "TenantContext"];

fn code() -> impl Iterator<Item = (String, String)> {
    let shipped = |file: &String| {
        file.starts_with("crates/") && file.contains("/src/") && file.ends_with(".rs")
    };
    files().into_iter().filter(shipped).map(|file| {
        let content = read(&file);
        (file, content)
    })
}

/// The statics of a file, each up to its value.
fn statics(content: &str) -> impl Iterator<Item = &str> {
    content.lines().map(str::trim_start).filter(|line| {
        let line =
            line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
        line.starts_with("static ")
    })
}

/// S03.
#[test]
fn no_crate_keeps_a_context_where_code_finds_it_unasked() {
    let mut seen = 0;
    for (file, content) in code() {
        seen += 1;
        for name in AMBIENT {
            assert!(!content.contains(name), "{file} holds a {name}");
        }
        for line in statics(&content) {
            for name in CHANGING {
                assert!(!line.contains(name), "{file}: {line}");
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_static_is_seen_at_the_start_of_its_line() {
    let found = |text| statics(text).count();
    assert_eq!(found("    pub(crate) static A: Mutex<u8> = x;\nstatic B: u8 = 1;"), 2);
    assert_eq!(found("fn a(b: &'static str) {}\n// static C"), 0);
}
