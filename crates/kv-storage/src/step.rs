//! The payload of a block: what happened, step by step.
//!
//! A step is a short form in postcard's encoding; entries follow it as frames. The state of a checkpoint,
//! or of a snapshot that was taken over, comes in parts between a begin and an end.

use std::sync::Arc;

use kv_core::{Digest, Entry, Epoch, FrameError, NodeId, Version};
use kv_replication::{ClusterId, Group, Identity, Meta, Record};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Entries that one step holds at most: what is read is taken in one such piece at a time.
pub(crate) const STEP_ENTRIES_MAX: usize = 1_024;
/// Bytes that a step holds at most, but for a single entry that has more.
const STEP_BYTES_MAX: usize = 1 << 20;

/// What a block tells, decoded.
#[derive(Debug)]
pub(crate) enum Step {
    /// As the record.
    Record(Record),
    /// A state that replaces everything up to `base` comes.
    Begin { base: Version },
    /// A part of it, in key order.
    Part(Vec<Entry>),
    /// It is there, and shows nothing above `through`.
    End { through: Version },
    /// What the state amounts to.
    Digest(Digest),
    /// A checkpoint, or a backup, is whole.
    Complete,
}

/// Why bytes whose checksum is right are no steps: another program has written them.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    #[error("an unknown step")]
    Form(#[from] postcard::Error),
    #[error("an entry that is none: {0}")]
    Frame(#[from] FrameError),
    #[error("too many entries in one step")]
    Count,
}

#[derive(Serialize, Deserialize)]
enum Form {
    Meta(MetaForm),
    Entries { count: usize },
    Mark(Version),
    Void(EpochForm),
    Wipe,
    Begin { base: Version },
    Part { count: usize },
    End { through: Version },
    Digest { mark: Version, keys: usize, hash: u128 },
    Complete,
}

type EpochForm = (u64, u64);
type GroupForm = (EpochForm, usize, Vec<String>);

#[derive(Serialize, Deserialize)]
struct MetaForm {
    node: u64,
    resets: u64,
    counts: bool,
    cluster: Option<u64>,
    promised: EpochForm,
    promised_in: Option<u64>,
    promised_other: EpochForm,
    groups: Vec<GroupForm>,
    claimed: Vec<GroupForm>,
    authoritative: Option<EpochForm>,
    diverged: Option<Version>,
}

/// Encodes a record that is small, or one piece of entries.
pub(crate) fn put_record(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Meta(meta) => put(out, &Form::Meta(MetaForm::from(&**meta))),
        Record::Mark(mark) => put(out, &Form::Mark(*mark)),
        Record::Void(epoch) => put(out, &Form::Void(epoch_form(*epoch))),
        Record::Wipe => put(out, &Form::Wipe),
        Record::Entries(entries) => put_entries(out, entries),
        // Whoever writes it takes it apart, so that no block is as large as a whole state.
        Record::Replace { .. } => {}
    }
}

/// Entries in pieces, each of which makes one step.
pub(crate) fn pieces(mut entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.frame().len();
            bytes <= STEP_BYTES_MAX
        };
        let count = entries.iter().take(STEP_ENTRIES_MAX).take_while(fits).count().max(1);
        let (piece, rest) = entries.split_at_checked(count)?;
        entries = rest;
        Some(piece)
    })
}

pub(crate) fn put_entries(out: &mut Vec<u8>, entries: &[Entry]) {
    put(out, &Form::Entries { count: entries.len() });
    entries.iter().for_each(|entry| out.extend_from_slice(entry.frame()));
}

pub(crate) fn put_begin(out: &mut Vec<u8>, base: Version) {
    put(out, &Form::Begin { base });
}

pub(crate) fn put_part(out: &mut Vec<u8>, entries: &[Entry]) {
    put(out, &Form::Part { count: entries.len() });
    entries.iter().for_each(|entry| out.extend_from_slice(entry.frame()));
}

pub(crate) fn put_end(out: &mut Vec<u8>, through: Version) {
    put(out, &Form::End { through });
}

pub(crate) fn put_digest(out: &mut Vec<u8>, digest: Digest) {
    put(out, &Form::Digest { mark: digest.mark, keys: digest.keys, hash: digest.hash });
}

pub(crate) fn put_complete(out: &mut Vec<u8>) {
    put(out, &Form::Complete);
}

/// Takes the next step from the bytes of a payload.
pub(crate) fn take(rest: &mut &[u8]) -> Result<Step, StepError> {
    let (form, after): (Form, _) = postcard::take_from_bytes(rest)?;
    *rest = after;
    Ok(match form {
        Form::Meta(form) => Step::Record(Record::Meta(Arc::new(form.into()))),
        Form::Entries { count } => Step::Record(Record::Entries(take_entries(rest, count)?)),
        Form::Mark(mark) => Step::Record(Record::Mark(mark)),
        Form::Void((counter, node)) => Step::Record(Record::Void(epoch((counter, node)))),
        Form::Wipe => Step::Record(Record::Wipe),
        Form::Begin { base } => Step::Begin { base },
        Form::Part { count } => Step::Part(take_entries(rest, count)?),
        Form::End { through } => Step::End { through },
        Form::Digest { mark, keys, hash } => Step::Digest(Digest { mark, keys, hash }),
        Form::Complete => Step::Complete,
    })
}

fn take_entries(rest: &mut &[u8], count: usize) -> Result<Vec<Entry>, StepError> {
    if count > STEP_ENTRIES_MAX {
        return Err(StepError::Count);
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let (entry, len) = Entry::decode(rest)?;
        *rest = rest.get(len..).unwrap_or_default();
        entries.push(entry);
    }
    Ok(entries)
}

fn put(out: &mut Vec<u8>, form: &Form) {
    // A vector takes any number of bytes, and the forms have nothing that postcard does not know.
    if let Ok(longer) = postcard::to_extend(form, std::mem::take(out)) {
        *out = longer;
    }
}

fn epoch_form(epoch: Epoch) -> EpochForm {
    (epoch.counter, epoch.node.0)
}

fn epoch((counter, node): EpochForm) -> Epoch {
    Epoch { counter, node: NodeId(node) }
}

fn group_forms(groups: &[Group]) -> Vec<GroupForm> {
    groups.iter().map(|group| (epoch_form(group.since), group.write, group.followers.clone())).collect()
}

fn groups(forms: Vec<GroupForm>) -> Arc<Vec<Group>> {
    let group = |(since, write, followers)| Group { since: epoch(since), write, followers };
    Arc::new(forms.into_iter().map(group).collect())
}

impl From<&Meta> for MetaForm {
    fn from(meta: &Meta) -> Self {
        Self {
            node: meta.identity.node.0,
            resets: meta.identity.resets,
            counts: meta.counts,
            cluster: meta.cluster.map(|cluster| cluster.0),
            promised: epoch_form(meta.promised),
            promised_in: meta.promised_in.map(|cluster| cluster.0),
            promised_other: epoch_form(meta.promised_other),
            groups: group_forms(&meta.groups),
            claimed: group_forms(&meta.claimed),
            authoritative: meta.authoritative.map(epoch_form),
            diverged: meta.diverged,
        }
    }
}

impl From<MetaForm> for Meta {
    fn from(form: MetaForm) -> Self {
        Self {
            identity: Identity { node: NodeId(form.node), resets: form.resets },
            counts: form.counts,
            cluster: form.cluster.map(ClusterId),
            promised: epoch(form.promised),
            promised_in: form.promised_in.map(ClusterId),
            promised_other: epoch(form.promised_other),
            groups: groups(form.groups),
            claimed: groups(form.claimed),
            authoritative: form.authoritative.map(epoch),
            diverged: form.diverged,
        }
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Key};
    use proptest::prelude::*;

    use super::*;

    fn any_epoch() -> impl Strategy<Value = Epoch> {
        (any::<u64>(), any::<u64>()).prop_map(epoch)
    }

    fn any_groups() -> impl Strategy<Value = Arc<Vec<Group>>> {
        let group = (any_epoch(), 0..9_usize, prop::collection::vec("[a-z:/]{0,20}", 0..4));
        let group = group.prop_map(|(since, write, followers)| Group { since, write, followers });
        prop::collection::vec(group, 0..3).prop_map(Arc::new)
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let meta = (
            (any::<u64>(), any::<u64>(), any::<bool>()),
            (any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>()),
            (any_epoch(), any_epoch(), prop::option::of(any_epoch())),
            (any_groups(), any_groups()),
        );
        let meta = meta.prop_map(|(who, which, epochs, groups)| Meta {
            identity: Identity { node: NodeId(who.0), resets: who.1 },
            counts: who.2,
            cluster: which.0.map(ClusterId),
            promised: epochs.0,
            promised_in: which.1.map(ClusterId),
            promised_other: epochs.1,
            groups: groups.0,
            claimed: groups.1,
            authoritative: epochs.2,
            diverged: which.2,
        });
        let entry = |version: u64| {
            let key = format!("k{version}");
            Command::put(Key::parse(&key).unwrap(), b"v").unwrap().into_entry(epoch((1, 2)), version)
        };
        prop_oneof![
            meta.prop_map(|meta| Record::Meta(Arc::new(meta))),
            any::<u64>().prop_map(Record::Mark),
            any_epoch().prop_map(Record::Void),
            Just(Record::Wipe),
            prop::collection::vec((1..1_000_u64).prop_map(entry), 0..20).prop_map(Record::Entries),
        ]
    }

    #[test]
    fn a_piece_has_not_too_many_entries_and_not_too_many_bytes() {
        let entry = |bytes: usize| {
            let command = Command::put(Key::parse("k").unwrap(), &vec![1; bytes]).unwrap();
            command.into_entry(epoch((1, 2)), 1)
        };
        let counts = |entries: &[Entry]| pieces(entries).map(<[Entry]>::len).collect::<Vec<_>>();
        assert!(counts(&[]).is_empty());
        assert_eq!(counts(&vec![entry(0); 2_500]), [1_024, 1_024, 452]);
        assert_eq!(counts(&vec![entry(600 << 10); 3]), [1, 1, 1]);
        assert_eq!(counts(&vec![entry(400 << 10); 5]), [2, 2, 1]);
        assert_eq!(counts(&[entry(3 << 20), entry(1), entry(1), entry(2 << 20)]), [1, 2, 1]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in prop::collection::vec(any_record(), 0..10)) {
            let mut bytes = Vec::new();
            records.iter().for_each(|record| put_record(&mut bytes, record));
            let mut rest = bytes.as_slice();
            for record in records {
                let Step::Record(read) = take(&mut rest).unwrap() else { panic!("another step") };
                prop_assert_eq!(read, record);
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_steps_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() && take(&mut rest).is_ok() {}
        }
    }
}
