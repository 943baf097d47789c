//! Recordings: a folder of frames, sorted by tenant.
//!
//! Every `*.ndjson` file below the folder holds one frame a line. Lines end at `\n` and nowhere else:
//! a raw U+2028 or a carriage return belongs to the frame. Every `*.txt` file is one frame. Frames
//! are not looked into; what is not JSON is sent all the same.
//!
//! An `index.tsv` beside an `*.ndjson` file says more of its lines. Its first line names its columns;
//! `line` (from 1), `tenant` and `kind` are used. A frame whose tenant is not named belongs to the
//! tenant named as the folder that the file is in.
//!
//! # Names
//!
//! A name that is a valid [`TenantId`] is taken as it is. Any other becomes the part of it that fits
//! (lower case; a hyphen for what an id may not hold; at most 50 bytes), a hyphen, and twelve
//! hexadecimal digits of the name's SipHash-2-4 under a fixed key: the same on every machine. `A` and
//! `a` stay two tenants that way. Two names that come to one id all the same are refused, since one
//! would get the other's events.

use std::{
    collections::BTreeMap,
    fs,
    hash::Hasher,
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use cofferdam_core::TenantId;
use cofferdam_sim::generator::FrameKind;
use siphasher::sip::SipHasher24;

/// One recorded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) kind: FrameKind,
}

/// One tenant's recorded frames, in order.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) id: TenantId,
    pub(super) name: String,
    pub(super) frames: Vec<Frame>,
}

/// Reads the recording at `folder`: its tenants, those with the most frames first.
///
/// # Errors
///
/// Whatever the file system says; [`io::ErrorKind::InvalidData`] if two names come to one id or there
/// is nothing to send.
pub(super) fn load(folder: &Path) -> io::Result<Vec<Recording>> {
    let mut tenants = BTreeMap::new();
    // A folder given as `.` has no name of its own.
    let named = fs::canonicalize(folder)?;
    walk(&named, &mut tenants)?;
    let mut recordings: Vec<Recording> = tenants.into_values().collect();
    if recordings.is_empty() {
        return Err(invalid("there is no frame in the folder to replay"));
    }
    recordings.sort_by(|a, b| b.frames.len().cmp(&a.frames.len()).then(a.id.cmp(&b.id)));
    Ok(recordings)
}

fn walk(folder: &Path, tenants: &mut BTreeMap<TenantId, Recording>) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        entries.push(entry?.path());
    }
    entries.sort();
    let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for path in entries {
        // A link to a folder above would never end.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, tenants)?;
            continue;
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("ndjson") => {
                let index = Index::beside(&path)?;
                let lines = Bytes::from(fs::read(&path)?);
                for (number, line) in lines.split(|byte| *byte == b'\n').enumerate() {
                    let (tenant, kind) = index.about(number + 1).unwrap_or(("", FrameKind::Event));
                    let tenant = if tenant.is_empty() { &folder_name } else { tenant };
                    add(tenants, tenant, lines.slice_ref(line), kind)?;
                }
            }
            Some("txt") => {
                add(tenants, &folder_name, Bytes::from(fs::read(&path)?), FrameKind::Event)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts a frame with its tenant's others; nothing is no frame.
fn add(
    tenants: &mut BTreeMap<TenantId, Recording>,
    name: &str,
    bytes: Bytes,
    kind: FrameKind,
) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let id = tenant_id(name)?;
    let recording = tenants.entry(id.clone()).or_insert_with(|| Recording {
        id,
        name: name.to_owned(),
        frames: Vec::new(),
    });
    if recording.name != name {
        return Err(invalid("two names in the recording come to one tenant id"));
    }
    recording.frames.push(Frame { bytes, kind });
    Ok(())
}

/// The id of a tenant that a recording calls `name` (see the [module](self)).
///
/// # Errors
///
/// Never for any name; the id is parsed like every other one.
pub(super) fn tenant_id(name: &str) -> io::Result<TenantId> {
    if let Ok(id) = TenantId::parse(name) {
        return Ok(id);
    }
    let fits = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '_' | '.') => c,
        _ => '-',
    };
    let part: String = name.chars().map(fits).take(50).collect();
    let part = part.trim_matches(|c| matches!(c, '-' | '_' | '.'));
    let mut hasher = SipHasher24::new_with_keys(0, 0);
    hasher.write(name.as_bytes());
    let hash = hasher.finish() >> 16;
    let id = if part.is_empty() { format!("{hash:012x}") } else { format!("{part}-{hash:012x}") };
    TenantId::parse(&id).map_err(|_| invalid("a name in the recording makes no tenant id"))
}

/// An `index.tsv`: what is known of a file's lines.
#[derive(Debug, Default)]
struct Index(BTreeMap<usize, (String, FrameKind)>);

impl Index {
    fn beside(file: &Path) -> io::Result<Self> {
        match fs::read_to_string(file.with_file_name("index.tsv")) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Self {
        let mut rows = text.split('\n').map(|row| row.strip_suffix('\r').unwrap_or(row));
        let columns: Vec<&str> = rows.next().unwrap_or_default().split('\t').collect();
        let place = |name| columns.iter().position(|column| *column == name);
        let (line, tenant, kind) = (place("line"), place("tenant"), place("kind"));
        let entry = |row: &str| {
            let fields: Vec<&str> = row.split('\t').collect();
            let field = |place: Option<usize>| place.and_then(|place| fields.get(place)).copied();
            let line = field(line)?.parse().ok()?;
            Some((line, (field(tenant).unwrap_or("").to_owned(), kind_of(field(kind)))))
        };
        Self(rows.filter_map(entry).collect())
    }

    fn about(&self, line: usize) -> Option<(&str, FrameKind)> {
        self.0.get(&line).map(|(tenant, kind)| (tenant.as_str(), *kind))
    }
}

fn kind_of(name: Option<&str>) -> FrameKind {
    match name {
        Some("duplicate") => FrameKind::Duplicate,
        Some("late") => FrameKind::Late,
        Some("heartbeat") => FrameKind::Heartbeat,
        Some("pong") => FrameKind::Pong,
        Some("socket_closing") => FrameKind::Closing,
        Some("no_longer_subscribed") => FrameKind::NoLongerSubscribed,
        Some("subscribe-ack") => FrameKind::SubscribeAck,
        _ => FrameKind::Event,
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn folder_of(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn frames_go_to_the_tenants_that_the_index_names() {
        let folder = folder_of(&[
            ("a/events.ndjson", "{\"n\":1}\n\n{\"n\":\"\u{2028}\"}\nnot json\r\n{\"n\":4}".as_bytes()),
            (
                "a/index.tsv",
                b"line\tevent_type\ttenant\tkind\n1\tx\tacme\tlate\n3\tx\tACxxx/WSxxx\t\n4\tx\t\tduplicate\n",
            ),
            ("Bad Ones/1.txt", b"{\n\xFF"),
            ("a/README.md", b"no frame"),
        ]);
        let recordings = load(folder.path()).unwrap();
        let all: BTreeMap<_, _> =
            recordings.iter().map(|one| (one.name.as_str(), &one.frames)).collect();
        let frame = |bytes: &'static [u8], kind| Frame { bytes: Bytes::from_static(bytes), kind };
        assert_eq!(all["acme"], &[frame(b"{\"n\":1}", FrameKind::Late)]);
        let raw = "{\"n\":\"\u{2028}\"}".as_bytes();
        assert_eq!(all["ACxxx/WSxxx"], &[frame(raw, FrameKind::Event)]);
        assert_eq!(
            all["a"],
            &[frame(b"not json\r", FrameKind::Duplicate), frame(b"{\"n\":4}", FrameKind::Event)]
        );
        assert_eq!(all["Bad Ones"], &[frame(b"{\n\xFF", FrameKind::Event)]);
        assert_eq!(recordings[0].name, "a", "most frames first");
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn valid_names_stay_and_others_get_ids_of_their_own() {
        let long = "x".repeat(200);
        let longer = "x".repeat(201);
        let names = [
            "acme",
            "Acme",
            "ACME",
            "acme ",
            "a/c",
            "a c",
            "a:c",
            "",
            "-",
            "é",
            "順番",
            &long,
            &longer,
            "ACxxx/WSxxx",
            "32aa07aa-db1b-4987-abd0-9483601ec29d",
        ];
        let ids: BTreeSet<_> = names.iter().map(|name| tenant_id(name).unwrap()).collect();
        assert_eq!(ids.len(), names.len());
        assert_eq!(tenant_id("acme").unwrap().as_str(), "acme");
        // Stable: written down by an earlier run, found again by a later one.
        assert_eq!(tenant_id("ACxxx/WSxxx").unwrap().as_str(), "acxxx-wsxxx-57b8129bdcdf");
    }

    #[test]
    fn many_names_do_not_collide() {
        let ids: BTreeSet<_> =
            (0..20_000).map(|n| tenant_id(&format!("Org {n}")).unwrap()).collect();
        assert_eq!(ids.len(), 20_000);
    }

    #[test]
    fn refuses_two_names_for_one_id() {
        let taken = tenant_id("Acme").unwrap();
        let index = format!("line\ttenant\n1\tAcme\n2\t{taken}\n");
        let folder = folder_of(&[("events.ndjson", b"{}\n{}\n"), ("index.tsv", index.as_bytes())]);
        assert_eq!(load(folder.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn refuses_a_folder_without_frames() {
        assert_eq!(load(folder_of(&[]).path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
