//! From steps to what a node is.

use kv_core::{Digest, NodeId, Store, Version};
use kv_replication::Image;

use crate::step::{self, Step};

/// Takes in the steps of a checkpoint and of the log behind it.
#[derive(Debug)]
pub(crate) struct Loader {
    pub(crate) image: Image,
    /// A state that is coming in; what is there stays until all of it has come.
    coming: Option<(Version, Store)>,
    /// What the state should amount to, in a backup.
    pub(crate) digest: Option<Digest>,
    /// The end of a checkpoint was there.
    pub(crate) is_complete: bool,
}

impl Loader {
    pub(crate) fn new() -> Self {
        Self { image: Image::new(NodeId(0)), coming: None, digest: None, is_complete: false }
    }

    /// Takes in the payload of one block.
    pub(crate) fn take_in(&mut self, payload: &[u8]) -> Result<(), String> {
        let mut rest = payload;
        while !rest.is_empty() {
            match step::take(&mut rest).map_err(|error| error.to_string())? {
                // A state that was begun and not ended was cut off by a crash: it is as if it had never come.
                Step::Record(record) => {
                    self.coming = None;
                    self.image.apply(record);
                }
                Step::Begin { base } => self.coming = Some((base, Store::new())),
                Step::Part(entries) => {
                    let (_, store) = self.coming.as_mut().ok_or("a part of no state")?;
                    entries.iter().for_each(|entry| _ = store.apply(entry));
                }
                Step::End { through } => {
                    let (base, store) = self.coming.take().ok_or("the end of no state")?;
                    self.image.replace(base, through, store);
                }
                Step::Digest(digest) => self.digest = Some(digest),
                Step::Complete => self.is_complete = true,
            }
        }
        Ok(())
    }
}
