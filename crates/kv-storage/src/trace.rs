//! For tests: all that is done to a directory, and what a loss of power would leave of it.
//!
//! Of a file, what was written before its last sync is there. Of each write since, any sectors are there,
//! are as before, or hold something else; the file may have its old length. Of the names, those are there
//! that were when the directory was synced last, and of the changes since then a first part, or any.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::testing::Random;

const SECTOR_BYTES: usize = 512;

type Id = u64;
type Trace = Arc<Mutex<Steps>>;

static TRACES: Mutex<BTreeMap<PathBuf, Trace>> = Mutex::new(BTreeMap::new());

/// A directory whose changes are noted down, instead of being synced.
#[derive(Debug)]
pub(crate) struct Tracer {
    directory: PathBuf,
    trace: Trace,
}

#[derive(Debug)]
struct Steps {
    steps: Vec<Step>,
    /// All names, as a process sees them.
    names: BTreeMap<String, Id>,
    next: Id,
}

#[derive(Clone, Debug)]
enum Step {
    Name(String, Id),
    Rename(String, String),
    Remove(String),
    SyncNames,
    Write {
        id: Id,
        at: usize,
        bytes: Vec<u8>,
    },
    SetLen {
        id: Id,
        len: usize,
    },
    Sync(Id),
    /// So many records have been handed over.
    Written(usize),
    /// So many will not be lost.
    Acked(usize),
}

/// A file that is noted.
#[derive(Debug)]
pub(crate) struct Noted {
    trace: Trace,
    id: Id,
}

/// What a loss of power has left.
pub(crate) struct Wreck {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Records that must be there.
    pub(crate) acked: usize,
    /// Records that may be there.
    pub(crate) written: usize,
}

impl Tracer {
    /// From now on; what the directory holds is durable.
    pub(crate) fn start(directory: &Path) -> Self {
        let mut steps = Steps { steps: Vec::new(), names: BTreeMap::new(), next: 0 };
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let id = steps.name(&name);
            steps.steps.push(Step::Write { id, at: 0, bytes: fs::read(entry.path()).unwrap() });
            steps.steps.push(Step::Sync(id));
        }
        steps.steps.push(Step::SyncNames);
        let trace = Arc::new(Mutex::new(steps));
        TRACES.lock().unwrap().insert(directory.to_owned(), Arc::clone(&trace));
        Self { directory: directory.to_owned(), trace }
    }

    /// The process was killed after so many steps of `before`, and what it left is in `directory`: the
    /// system still has in its memory what was not synced.
    pub(crate) fn go_on(directory: &Path, before: &Self, moment: usize) -> Self {
        let steps = before.trace.lock().unwrap().steps[..moment].to_vec();
        let mut names = Names::default();
        steps.iter().for_each(|step| change(&mut names.synced, step.clone()));
        let next = before.trace.lock().unwrap().next;
        let trace = Arc::new(Mutex::new(Steps { steps, names: names.synced, next }));
        TRACES.lock().unwrap().insert(directory.to_owned(), Arc::clone(&trace));
        Self { directory: directory.to_owned(), trace }
    }

    pub(crate) fn written(&self, records: usize) {
        self.trace.lock().unwrap().steps.push(Step::Written(records));
    }

    pub(crate) fn acked(&self, records: usize) {
        self.trace.lock().unwrap().steps.push(Step::Acked(records));
    }

    /// How many moments there were at which power could have been lost.
    pub(crate) fn moments(&self) -> usize {
        self.trace.lock().unwrap().steps.len()
    }

    /// How many files were given a name like `to` instead of one like `from`.
    pub(crate) fn renames(&self, from: &str, to: &str) -> usize {
        let is_it = |step: &&Step| matches!(step, Step::Rename(old, new) if old.starts_with(from) && new.starts_with(to));
        self.trace.lock().unwrap().steps.iter().filter(is_it).count()
    }

    /// One of the moments since `first` at which something may end, often one at which names change.
    pub(crate) fn moment(&self, first: usize, random: &mut Random) -> usize {
        let steps = &self.trace.lock().unwrap().steps;
        let any = first + random.below(steps.len() + 1 - first);
        let is_checkpoint = |step: &Step| matches!(step, Step::Rename(_, to) if to.starts_with("checkpoint"));
        let is_name = |step: &Step| matches!(step, Step::Rename(..) | Step::Remove(..) | Step::Name(..));
        let next = match random.below(4) {
            0 => steps.iter().skip(any).position(is_checkpoint),
            1 => steps.iter().skip(any).position(is_name),
            _ => return any,
        };
        next.map_or(any, |next| (any + next + random.below(5)).min(steps.len()))
    }

    /// The process is killed after so many steps.
    pub(crate) fn kill(&self, moment: usize) -> Wreck {
        self.end(moment, |fate| fate.finish(), |names| names.finish())
    }

    /// Power is lost after so many steps.
    pub(crate) fn lose_power(&self, moment: usize, random: &mut Random) -> Wreck {
        let mut other = random.split();
        self.end(moment, |fate| fate.leave(random), |names| names.leave(&mut other))
    }

    fn end(
        &self,
        moment: usize,
        mut file: impl FnMut(Fate) -> Vec<u8>,
        name: impl FnOnce(Names) -> BTreeMap<String, Id>,
    ) -> Wreck {
        let steps = self.trace.lock().unwrap().steps[..moment].to_vec();
        let (mut files, mut names) = (BTreeMap::<Id, Fate>::new(), Names::default());
        let (mut acked, mut written) = (0, 0);
        for step in steps {
            match step {
                Step::Write { id, .. } | Step::SetLen { id, .. } => {
                    files.entry(id).or_default().since.push(step);
                }
                Step::Sync(id) => files.entry(id).or_default().sync(),
                Step::Name(..) | Step::Rename(..) | Step::Remove(..) => names.since.push(step),
                Step::SyncNames => names.sync(),
                Step::Written(records) => written = records,
                Step::Acked(records) => acked = records,
            }
        }
        let files = name(names).into_iter().map(|(name, id)| {
            let fate = files.remove(&id).unwrap_or_default();
            (name, file(fate))
        });
        Wreck { files: files.collect(), acked, written }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        TRACES.lock().unwrap().remove(&self.directory);
    }
}

impl Steps {
    fn name(&mut self, name: &str) -> Id {
        self.next += 1;
        self.names.insert(name.to_owned(), self.next);
        self.steps.push(Step::Name(name.to_owned(), self.next));
        self.next
    }
}

/// A file between its last sync and the loss of power.
#[derive(Debug, Default)]
struct Fate {
    synced: Vec<u8>,
    since: Vec<Step>,
}

impl Fate {
    fn sync(&mut self) {
        for step in std::mem::take(&mut self.since) {
            apply(&mut self.synced, &step);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.sync();
        self.synced
    }

    fn leave(self, random: &mut Random) -> Vec<u8> {
        let Self { synced: mut left, since } = self;
        let until = if random.once_in(3) { random.below(since.len() + 1) } else { since.len() };
        let all = random.once_in(4);
        for step in since.iter().take(until) {
            match step {
                Step::Write { at, bytes, .. } if !all => tear(&mut left, *at, bytes, random),
                step if all || random.once_in(2) => apply(&mut left, step),
                _ => {}
            }
        }
        left
    }
}

fn apply(file: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Write { at, bytes, .. } => {
            file.resize(file.len().max(at + bytes.len()), 0);
            file[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Step::SetLen { len, .. } => file.resize(*len, 0),
        _ => {}
    }
}

/// A write of which any part has come to the disk.
fn tear(file: &mut Vec<u8>, at: usize, bytes: &[u8], random: &mut Random) {
    let kind = random.below(8);
    if kind == 0 {
        return; // nothing of it
    }
    let cut = if kind == 1 { random.below(bytes.len() + 1) } else { bytes.len() };
    let mut from = 0;
    while from < cut {
        let to = ((at + from) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - at).min(cut);
        let mut piece = bytes[from..to].to_vec();
        let fate = if kind <= 3 { 0 } else { random.below(12) };
        if fate == 10 {
            piece.fill(0);
        }
        if fate == 11 {
            let hit = random.below(piece.len());
            piece[hit] ^= 1 << random.below(8);
        }
        // A sector that did not come is as before.
        if !(7..=9).contains(&fate) {
            let len = file.len().max(at + to);
            file.resize(len, 0);
            file[at + from..at + to].copy_from_slice(&piece);
        } else if kind.is_multiple_of(2) {
            let len = file.len().max(at + to); // but the file has grown
            file.resize(len, 0);
        }
        from = to;
    }
}

#[derive(Debug, Default)]
struct Names {
    synced: BTreeMap<String, Id>,
    since: Vec<Step>,
}

impl Names {
    fn sync(&mut self) {
        for step in std::mem::take(&mut self.since) {
            change(&mut self.synced, step);
        }
    }

    fn finish(mut self) -> BTreeMap<String, Id> {
        self.sync();
        self.synced
    }

    fn leave(self, random: &mut Random) -> BTreeMap<String, Id> {
        let Self { synced: mut left, since } = self;
        let (until, any) = match random.below(4) {
            0 => (since.len(), false),
            1 => (since.len(), true),
            _ => (random.below(since.len() + 1), false),
        };
        for step in since.into_iter().take(until) {
            if !any || random.once_in(2) {
                change(&mut left, step);
            }
        }
        left
    }
}

fn change(names: &mut BTreeMap<String, Id>, step: Step) {
    match step {
        Step::Name(name, id) => _ = names.insert(name, id),
        Step::Rename(from, to) => {
            if let Some(id) = names.remove(&from) {
                names.insert(to, id);
            }
        }
        Step::Remove(name) => _ = names.remove(&name),
        _ => {}
    }
}

impl Noted {
    fn push(&self, step: Step) {
        self.trace.lock().unwrap().steps.push(step);
    }

    pub(crate) fn write(&self, bytes: &[u8], at: u64) {
        self.push(Step::Write { id: self.id, at: at as usize, bytes: bytes.to_vec() });
    }

    pub(crate) fn set_len(&self, len: u64) {
        self.push(Step::SetLen { id: self.id, len: len as usize });
    }

    pub(crate) fn sync(&self) {
        self.push(Step::Sync(self.id));
    }
}

pub(crate) fn create(path: &Path) -> Option<Noted> {
    let trace = find(path)?;
    let mut steps = trace.lock().unwrap();
    let name = name(path);
    let id = match steps.names.get(&name).copied() {
        Some(id) => {
            steps.steps.push(Step::SetLen { id, len: 0 });
            id
        }
        None => steps.name(&name),
    };
    drop(steps);
    Some(Noted { trace, id })
}

pub(crate) fn open(path: &Path) -> Option<Noted> {
    let trace = find(path)?;
    let id = trace.lock().unwrap().names[&name(path)];
    Some(Noted { trace, id })
}

pub(crate) fn rename(from: &Path, to: &Path) {
    if let Some(trace) = find(from) {
        let (from, to) = (name(from), name(to));
        let mut steps = trace.lock().unwrap();
        if let Some(id) = steps.names.remove(&from) {
            steps.names.insert(to.clone(), id);
        }
        steps.steps.push(Step::Rename(from, to));
    }
}

pub(crate) fn remove(path: &Path) {
    if let Some(trace) = find(path) {
        let name = name(path);
        let mut steps = trace.lock().unwrap();
        steps.names.remove(&name);
        steps.steps.push(Step::Remove(name));
    }
}

/// Whether this directory is noted.
pub(crate) fn sync_directory(path: &Path) -> bool {
    let trace = TRACES.lock().unwrap().get(path).cloned();
    trace.iter().for_each(|trace| trace.lock().unwrap().steps.push(Step::SyncNames));
    trace.is_some()
}

fn find(path: &Path) -> Option<Trace> {
    TRACES.lock().unwrap().get(path.parent()?).cloned()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
