//! A leader that was restored from a backup dies somewhere in its first start: the backup is still there.

use kv_core::{Command, Entry, Epoch, Key, NodeId};
use kv_replication::{ClusterId, Image, Input, Leader, LeaderConfig, Output, Phase, Quorum, Record, Time};

const NODE: NodeId = NodeId(1);

fn restored() -> Image {
    let put = |version| -> Entry {
        let command = Command::put(Key::parse(&format!("k{version}")).unwrap(), b"v").unwrap();
        command.into_entry(Epoch { counter: 3, node: NodeId(9) }, version)
    };
    let mut image = Image::new(NODE);
    image.apply(Record::Replace { base: 5, through: 5, entries: (1..=5).map(put).collect() });
    image
}

fn start(image: Image) -> (Leader, Vec<Record>) {
    let mut config = LeaderConfig::new(Quorum::new(0, 0).unwrap());
    config.durable = true;
    let mut leader = Leader::restart(image, ClusterId(7), config);
    let mut written = Vec::new();
    leader.handle(Time::ZERO, Input::Tick);
    while let Some(output) = leader.poll_output(Time::ZERO) {
        if let Output::Persist { id, records } = output {
            written.extend(records);
            leader.handle(Time::ZERO, Input::Persisted { id });
        }
    }
    (leader, written)
}

#[test]
fn wherever_the_first_start_is_cut_short_the_next_one_has_it_all() {
    let (leader, written) = start(restored());
    assert_eq!((leader.phase(), leader.mark(), leader.store().len()), (Phase::Serving, 5, 5));
    for survive in 0..=written.len() {
        let mut image = restored();
        written.iter().take(survive).cloned().for_each(|record| image.apply(record));
        let (leader, _) = start(image);
        let found = (leader.phase(), leader.mark(), leader.store().len());
        assert_eq!(found, (Phase::Serving, 5, 5), "after {survive} of {written:?}");
    }
}
