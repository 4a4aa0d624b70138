//! The loop that drives a leader.

use std::sync::Arc;

use super::running::RunningLeader;
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
pub(super) async fn run<T: Transport>(running: Arc<RunningLeader>, alarm: Alarm, transport: Arc<T>) {
    while let Some(timeout) = turn(&running, &transport) {
        if let Some(at) = timeout {
            alarm.set(at);
        }
        running.wake.notified().await;
    }
}

/// Does everything that there is to do now, and says when there is more; none if the leader has ended.
fn turn<T: Transport>(running: &Arc<RunningLeader>, transport: &Arc<T>) -> Option<Option<Time>> {
    let mut events = Vec::new();
    let mut core = lock(&running.core);
    if core.has_ended() {
        core.cancel_all_attempts();
        return None;
    }
    let (now, disk) = (running.clock.now(), running.disk.as_deref());
    core.handle(now, Input::Tick);
    while let Some(output) = core.poll_output(now) {
        match output {
            Output::Send { attempt, follower, request } => {
                let sending = send(Arc::clone(running), Arc::clone(transport), attempt, follower, request);
                // The attempt ends under the lock that is held here, so after it has been noted.
                core.begin_attempt(attempt, tokio::spawn(sending).abort_handle());
            }
            Output::Cancel { attempt } => core.cancel_attempt(attempt),
            Output::Answer { id, result } => core.answer(id, result),
            Output::Confirmed { id, result } => core.confirm_answer(id, result),
            Output::Persist { id, records } => core.persist(now, disk, id, records),
            Output::Event(event) => events.push(event),
        }
    }
    core.begin_checkpoint(disk);
    let timeout = core.poll_timeout();
    waits::release(&mut *core);
    drop(core);
    // A log that blocks must not block the leader.
    events.iter().for_each(log_event);
    Some(timeout)
}

/// The task of one request: brings it to the follower, and what comes back to the machine.
async fn send<T: Transport>(
    running: Arc<RunningLeader>,
    transport: Arc<T>,
    attempt: AttemptId,
    follower: usize,
    request: Request,
) {
    let input = match transport.send(follower, request).await {
        Ok(reply) => Input::Reply { attempt, reply },
        Err(error) => Input::Failed { attempt, error: error.to_string() },
    };
    running.change(|core, now| core.end_attempt(now, attempt, input));
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
