//! Power is lost at any moment, with anything of what was not synced: what a node finds then.
//!
//! `KV_STORAGE_FIRST` and `KV_STORAGE_SEEDS` say from which seed on, and how many.

use std::fs;
use std::path::{Path, PathBuf};

use kv_replication::{Checkpoint, Image, Storage};
use tempfile::TempDir;

use crate::conformance::differs;
use crate::disk::{DiskConfig, DiskStorage, Opened};
use crate::testing::{NODE, Random, Writer, setting};
use crate::trace::{Tracer, Wreck};

/// Losses of power that are tried on what one life has written.
const WRECKS: usize = 25;
/// Lives of a node, each of which goes on with what a loss of power has left.
const LIVES: usize = 4;

#[test]
fn whatever_a_loss_of_power_leaves_is_what_was_synced_and_some_more() {
    let (first, seeds) = (setting("KV_STORAGE_FIRST", 1), setting("KV_STORAGE_SEEDS", 8));
    let mut all = [0; 3];
    for seed in first..first + seeds {
        println!("seed {seed}: KV_STORAGE_FIRST={seed} KV_STORAGE_SEEDS=1");
        let seen = lives(&mut Random::new(seed));
        all.iter_mut().zip(seen).for_each(|(all, seen)| *all += seen);
    }
    println!("{all:?} segments from spares, segments used again, checkpoints");
    assert!(all.iter().all(|seen| *seen > 0), "not all of it was tried: {all:?}");
}

/// One node with several losses of power; what it did meanwhile.
fn lives(random: &mut Random) -> [usize; 3] {
    let mut seen = [0; 3];
    let mut directory = tempfile::tempdir().unwrap();
    let mut image = Image::new(NODE);
    for _ in 0..LIVES {
        let mut life = Life::begin(directory.path().to_owned(), image.clone(), random);
        for _ in 0..150 + random.below(150) {
            life.act(random);
        }
        life.storage = None;
        let mut second = TempDir::new().unwrap();
        if random.once_in(2) {
            let moment = life.tracer.moment(life.first, random);
            (second, life) = life.killed(moment);
            for _ in 0..random.below(60) {
                life.act(random);
            }
            life.storage = None;
        }
        let mut left = None;
        for _ in 0..WRECKS {
            let moment = life.tracer.moment(life.first, random);
            left = Some(life.check(&life.tracer.lose_power(moment, random)));
        }
        drop(second);
        let names = [("spare", "log"), ("log", "spare"), ("checkpoint", "checkpoint")];
        for (seen, (from, to)) in seen.iter_mut().zip(names) {
            *seen += life.tracer.renames(from, to);
        }
        (directory, image) = left.unwrap();
    }
    seen
}

/// A node from a start to a loss of power, with restarts.
struct Life {
    directory: PathBuf,
    tracer: Tracer,
    /// The moment of its start.
    first: usize,
    storage: Option<DiskStorage>,
    writer: Writer,
    /// What the node is after so many records.
    images: Vec<Image>,
    checkpoint: Option<(Box<dyn Checkpoint>, Option<String>)>,
    is_finished: bool,
}

impl Life {
    fn begin(directory: PathBuf, expected: Image, random: &mut Random) -> Self {
        let tracer = Tracer::start(&directory);
        let first = tracer.moments();
        let opened = open(&directory);
        assert_eq!(differs(&opened.image, &expected), None, "opened for the second time");
        let mut writer = Writer::new(expected.clone());
        if random.once_in(4) {
            writer.value_bytes_max = 2_000;
        }
        Self {
            directory,
            tracer,
            first,
            storage: Some(opened.storage),
            writer,
            images: vec![expected],
            checkpoint: None,
            is_finished: false,
        }
    }

    fn act(&mut self, random: &mut Random) {
        match random.below(30) {
            0..18 => self.append(random),
            18..22 => self.sync(),
            22 => self.storage().rest().unwrap(),
            23..29 => self.go_on_with_checkpoint(random),
            _ if random.once_in(2) => self.restart(random),
            _ => {}
        }
    }

    fn storage(&mut self) -> &mut DiskStorage {
        self.storage.as_mut().unwrap()
    }

    fn append(&mut self, random: &mut Random) {
        let mut records = Vec::new();
        for _ in 0..1 + random.below(4) {
            records.push(self.writer.record(random));
            self.images.push(self.writer.image.clone());
        }
        self.tracer.written(self.images.len() - 1);
        self.storage().append(records).unwrap();
    }

    fn sync(&mut self) {
        self.storage().sync().unwrap();
        self.tracer.acked(self.images.len() - 1);
    }

    fn go_on_with_checkpoint(&mut self, random: &mut Random) {
        match self.checkpoint.take() {
            None if self.is_finished => {
                self.storage().end_checkpoint().unwrap();
                self.is_finished = false;
            }
            None if self.storage().wants_checkpoint() || random.once_in(5) => {
                let head = self.writer.head();
                self.checkpoint = Some((self.storage().begin_checkpoint(head).unwrap(), None));
            }
            None => {}
            Some((mut checkpoint, after)) => match self.writer.add_part(&mut *checkpoint, after.as_deref()) {
                Some(next) => self.checkpoint = Some((checkpoint, Some(next))),
                None => {
                    let through = self.writer.through();
                    self.sync();
                    checkpoint.finish(through).unwrap();
                    self.is_finished = true;
                }
            },
        }
    }

    /// The process ends, in order or not, and starts again; power stays.
    fn restart(&mut self, random: &mut Random) {
        if random.once_in(2) {
            self.sync();
            self.storage().rest().unwrap();
        }
        self.storage = None;
        self.start();
    }

    /// The process is killed at a moment at which it may have done anything, and starts again.
    fn killed(self, moment: usize) -> (TempDir, Self) {
        let directory = tempfile::tempdir().unwrap();
        let wreck = self.tracer.kill(moment);
        for (name, bytes) in &wreck.files {
            fs::write(directory.path().join(name), bytes).unwrap();
        }
        let tracer = Tracer::go_on(directory.path(), &self.tracer, moment);
        let mut life = Self { directory: directory.path().to_owned(), tracer, ..self };
        life.images.truncate(wreck.written + 1);
        life.start();
        (directory, life)
    }

    /// Opens the directory, and goes on with what is there.
    fn start(&mut self) {
        self.checkpoint = None;
        self.is_finished = false;
        let opened = open(&self.directory);
        // What was in the process alone is gone, and is never asked for again.
        let found = self.images.iter().rposition(|image| differs(&opened.image, image).is_none());
        let found = self.images[found.expect("one of the images that there were")].clone();
        let value_bytes_max = self.writer.value_bytes_max;
        self.writer = Writer { value_bytes_max, ..Writer::new(found.clone()) };
        // The node goes on from what it has found, and tells others so.
        self.images.push(found);
        self.tracer.written(self.images.len() - 1);
        self.tracer.acked(self.images.len() - 1);
        self.storage = Some(opened.storage);
    }

    /// Opens what is left, twice: a directory that is whole, and what it holds.
    fn check(&self, wreck: &Wreck) -> (TempDir, Image) {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in &wreck.files {
            fs::write(directory.path().join(name), bytes).unwrap();
        }
        let tracer = Tracer::start(directory.path());
        let opened = open(directory.path());
        drop(opened.storage);
        drop(tracer);
        let is_it = |image: &Image| differs(&opened.image, image).is_none();
        if !self.images[wreck.acked..=wreck.written].iter().any(is_it) {
            let found = self.images.iter().rposition(is_it);
            let nearest = differs(&opened.image, &self.images[wreck.acked]).unwrap_or_default();
            panic!(
                "not what there was after {} to {} records, but after {found:?}; it differs in {nearest}",
                wreck.acked, wreck.written
            );
        }
        (directory, opened.image)
    }
}

fn open(directory: &Path) -> Opened {
    let config =
        DiskConfig { segment_bytes: 8_192, checkpoint_log_bytes: 20_000, disk_reserve_bytes: 0, salt: 7 };
    DiskStorage::open(directory, config, NODE).unwrap_or_else(|error| {
        let files: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        panic!("{error}; the files: {files:?}")
    })
}
