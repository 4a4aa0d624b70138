//! From steps to what a node is.

use kv_core::{NodeId, Store, Version};
use kv_replication::Image;

use crate::step::{self, Step};

/// Takes in the steps of a checkpoint and of the log behind it.
#[derive(Debug)]
pub(crate) struct Loader {
    pub(crate) image: Image,
    /// A state that is coming in; what is there stays until all of it has come.
    coming: Option<(Version, Store)>,
}

impl Loader {
    pub(crate) fn new() -> Self {
        Self { image: Image::new(NodeId(0)), coming: None }
    }

    /// Takes in the payload of one block.
    pub(crate) fn take_in(&mut self, payload: &[u8]) -> Result<(), String> {
        let mut rest = payload;
        while !rest.is_empty() {
            self.take(step::take(&mut rest).map_err(|error| error.to_string())?)?;
        }
        Ok(())
    }

    /// Takes in one step.
    pub(crate) fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
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
            Step::Digest(_) | Step::Complete => {}
        }
        Ok(())
    }
}
