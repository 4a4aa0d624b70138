//! The loop that drives a leader.

use std::sync::Arc;

use tokio::task::AbortHandle;

use super::shared::Shared;
use crate::engine::alarm::Alarm;
use crate::engine::lock::lock;
use crate::engine::waits;
use crate::leader::ids::AttemptId;
use crate::leader::input::Input;
use crate::leader::output::{Event, Output};
use crate::protocol::message::Request;
use crate::protocol::time::Time;
use crate::transport::Transport;

/// The loop. On a runtime of one thread it runs after the tasks that woke it, so that all they have
/// brought is sent together; on several threads what has come by then is.
pub(super) async fn run<T: Transport>(shared: Arc<Shared>, alarm: Alarm, transport: Arc<T>) {
    while let Some(timeout) = turn(&shared, &transport) {
        if let Some(at) = timeout {
            alarm.set(at);
        }
        shared.wake.notified().await;
    }
}

/// Does everything that there is to do now, and says when there is more; none if the leader has ended.
fn turn<T: Transport>(shared: &Arc<Shared>, transport: &Arc<T>) -> Option<Option<Time>> {
    let mut events = Vec::new();
    let mut core = lock(&shared.core);
    if core.ended {
        core.attempts.values().for_each(AbortHandle::abort);
        return None;
    }
    let now = shared.clock.now();
    core.leader.handle(now, Input::Tick);
    while let Some(output) = core.leader.poll_output(now) {
        match output {
            Output::Send { attempt, follower, request } => {
                let sending = send(Arc::clone(shared), Arc::clone(transport), attempt, follower, request);
                // The attempt ends under the lock that is held here, so after it has been noted.
                core.attempts.insert(attempt, tokio::spawn(sending).abort_handle());
            }
            Output::Cancel { attempt } => {
                if let Some(sending) = core.attempts.remove(&attempt) {
                    sending.abort();
                }
            }
            Output::Answer { id, result } => {
                // Nobody may be waiting any more: the write goes on without them.
                if let Some(waiter) = core.waiters.remove(&id) {
                    let _ = waiter.send(result);
                }
            }
            Output::Confirmed { id, result } => {
                if let Some(reader) = core.readers.remove(&id) {
                    let _ = reader.send(result); // nobody may be waiting any more
                }
            }
            Output::Persist { id, records } => core.persist(now, id, records),
            Output::Event(event) => events.push(event),
        }
    }
    core.begin_checkpoint();
    let timeout = core.leader.poll_timeout();
    waits::release(&mut *core);
    drop(core);
    // A log that blocks must not block the leader.
    events.iter().for_each(log_event);
    Some(timeout)
}

async fn send<T: Transport>(
    shared: Arc<Shared>,
    transport: Arc<T>,
    attempt: AttemptId,
    follower: usize,
    request: Request,
) {
    let result = transport.send(follower, request).await;
    let mut core = lock(&shared.core);
    core.attempts.remove(&attempt);
    let input = match result {
        Ok(reply) => Input::Reply { attempt, reply },
        Err(error) => Input::Failed { attempt, error: error.to_string() },
    };
    core.leader.handle(shared.clock.now(), input);
    drop(core);
    shared.wake.notify_one();
}

fn log_event(event: &Event) {
    match event {
        Event::Waiting { problem } => tracing::warn!(%problem, "the leader does not serve yet"),
        Event::Serving { epoch, cluster, recovered } => {
            tracing::info!(%epoch, %cluster, recovered, "the leader serves");
        }
        Event::Counted { follower } => {
            tracing::info!(
                follower = follower + 1,
                "follower counts: it has kept its memory, or has it back"
            );
        }
        Event::LinkUp { follower } => tracing::info!(follower = follower + 1, "follower is up"),
        Event::LinkDown { follower, error } => {
            tracing::warn!(follower = follower + 1, %error, "follower is down");
        }
        Event::DiskFull { full: true } => {
            tracing::error!("the disk is full: the leader takes no writes until there is space again");
        }
        Event::DiskFull { full: false } => {
            tracing::info!("the disk has space again: the leader takes writes");
        }
        Event::Deposed { by } => {
            tracing::error!(%by, "another leader has taken over: this one has stopped");
        }
    }
}
