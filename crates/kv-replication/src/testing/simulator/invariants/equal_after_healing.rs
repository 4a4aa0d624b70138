//! When everything runs and nothing is cut, one leader serves and every follower becomes level with it,
//! counts, and holds the same, without a new write.

use super::no_acknowledged_write_lost::first_not_in;
use super::violation::Violation;
use crate::follower::Follower;
use crate::leader::machine::Leader;
use crate::leader::phase::Phase;

pub(in crate::testing::simulator) fn check<'a>(
    leader: Option<&Leader>,
    followers: impl Iterator<Item = Option<&'a Follower>>,
) -> Result<(), Violation> {
    let no = |message: String| Err(("equal_after_healing", message));
    let Some(leader) = leader else { return no("there is no leader".to_owned()) };
    if leader.phase() != Phase::Serving || leader.mark() != leader.assigned() {
        let links: Vec<_> = leader.links().map(|link| (link.state, link.counts, link.last_error)).collect();
        return no(format!(
            "{:?}, mark {} of {}, {:?}, {links:?}",
            leader.phase(),
            leader.mark(),
            leader.assigned(),
            leader.problem()
        ));
    }
    for (index, follower) in followers.enumerate() {
        let Some(follower) = follower else { return no(format!("follower {index} does not run")) };
        let level = follower.mark() == leader.mark() && follower.holds().counts;
        if !level || follower.store().digest(0) != leader.store().digest(0) {
            let lacks = first_not_in(leader.store(), follower.store());
            let link = leader.links().nth(index);
            return no(format!("follower {index} {:?} lacks {lacks:?}, {link:?}", follower.holds()));
        }
    }
    Ok(())
}
