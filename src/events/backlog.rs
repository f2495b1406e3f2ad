//! The events that a consumer has taken from the log and has not delivered yet, with one line for each client.
//!
//! Events of one client are delivered one at a time and in order, so that another system never receives a change
//! at the same time as the deletion, or after it. An event that failed waits for its next attempt, and later events
//! of its client wait for it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::consumer::LONGEST_PAUSE;
use crate::base::{ClientId, Timestamp};
use crate::store::WaitingEvent;

/// The number of events that a consumer takes from the log before it has delivered them. They are a part of its
/// state in the store.
const MOST: usize = 1_000;
/// The number of clients whose events can be delivered at once, beyond which no more events are taken: the state is
/// stored several times a second, and stays small while a consumer is only slow.
const MOST_READY: usize = 64;
/// The number of events of one client that wait for an event that fails. Beyond it, that event is parked.
const MOST_OF_A_CLIENT: usize = 64;

/// The events of one client, in order.
#[derive(Default)]
struct ClientEvents {
    events: VecDeque<WaitingEvent>,
    /// Whether the first event is being delivered.
    is_flying: bool,
    /// When the first event can be delivered.
    due: Option<Instant>,
}

/// Taken events that are not delivered.
pub(super) struct Backlog {
    lines: HashMap<ClientId, ClientEvents>,
    /// The lines whose first event can be delivered at a moment, in its order and then in the order of the log.
    due: BTreeSet<(Instant, u64, ClientId)>,
    count: usize,
}

/// What becomes of an event that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// It is tried again after this pause.
    Again(Duration),
    /// It is given up.
    Park,
    /// It is dropped: the client is deleted, and the deletion is delivered instead.
    Superseded,
}

impl Backlog {
    /// Returns what is left of a state that was stored. Pauses that were not over go on.
    pub(super) fn restored(waiting: Vec<WaitingEvent>, now: Timestamp) -> Self {
        let mut backlog = Self {
            lines: HashMap::new(),
            due: BTreeSet::new(),
            count: 0,
        };
        for event in waiting {
            let pause = event
                .due
                .map_or(0, |due| due.unix().saturating_sub(now.unix()));
            // The clock may have been set back.
            let pause = Duration::from_secs(pause).min(LONGEST_PAUSE);
            backlog.add_due(event, Instant::now() + pause);
        }
        backlog
    }

    /// Returns whether more events can be taken from the log.
    pub(super) fn has_room(&self) -> bool {
        let now = Instant::now();
        let ready = self.due.iter().take_while(|(due, _, _)| *due <= now);
        self.count < MOST && ready.take(MOST_READY).count() < MOST_READY
    }

    /// Adds an event, the latest of its client.
    pub(super) fn add(&mut self, event: WaitingEvent) {
        self.add_due(event, Instant::now());
    }

    fn add_due(&mut self, event: WaitingEvent, due: Instant) {
        self.count += 1;
        let line = self.lines.entry(event.client_id.clone()).or_default();
        if line.events.is_empty() {
            line.due = Some(due);
            self.due
                .insert((due, event.position, event.client_id.clone()));
        } else if event.is_deletion
            && let Some(waits_until) = line.due
            && let Some(first) = line.events.front()
        {
            // A deletion does not wait for pauses.
            self.due
                .remove(&(waits_until, first.position, first.client_id.clone()));
            let now = Instant::now();
            line.due = Some(now);
            self.due
                .insert((now, first.position, first.client_id.clone()));
        }
        line.events.push_back(event);
    }

    /// Returns the next event that can be delivered now. It stays the first of its line until [`Self::delivered`]
    /// or [`Self::failed`].
    pub(super) fn take_due(&mut self) -> Option<WaitingEvent> {
        let (due, _, _) = self.due.first()?;
        if *due > Instant::now() {
            return None;
        }
        let (_, _, client_id) = self.due.pop_first()?;
        let line = self.lines.get_mut(&client_id)?;
        line.is_flying = true;
        line.due = None;
        line.events.front().cloned()
    }

    /// Returns whether the event at `position` is being delivered.
    pub(super) fn is_flying(&self, position: u64) -> bool {
        let mut flying = self.lines.values().filter(|line| line.is_flying);
        flying.any(|line| {
            let first = line.events.front();
            first.is_some_and(|first| first.position == position)
        })
    }

    /// Returns when the next event can be delivered.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _, _)| *due)
    }

    /// Returns whether an event can be delivered now.
    pub(super) fn has_due(&self) -> bool {
        self.next_due().is_some_and(|due| due <= Instant::now())
    }

    /// Removes an event that was delivered, parked or dropped.
    pub(super) fn delivered(&mut self, client_id: &ClientId) {
        let Some(line) = self.lines.get_mut(client_id) else {
            return;
        };
        line.events.pop_front();
        line.is_flying = false;
        self.count -= 1;
        match line.events.front() {
            None => drop(self.lines.remove(client_id)),
            Some(next) => {
                let now = Instant::now();
                line.due = Some(now);
                self.due.insert((now, next.position, client_id.clone()));
            }
        }
    }

    /// Returns what becomes of an event that failed and would be tried again after `pause`; none: it would not.
    pub(super) fn after_failure(
        &self,
        client_id: &ClientId,
        pause: Option<Duration>,
    ) -> AfterFailure {
        let line = self.lines.get(client_id);
        let mut later = line.into_iter().flat_map(|line| line.events.iter().skip(1));
        let is_superseded = later.any(|event| event.is_deletion);
        let is_long = line.is_some_and(|line| line.events.len() > MOST_OF_A_CLIENT);
        match pause {
            _ if is_superseded => AfterFailure::Superseded,
            Some(pause) if !is_long => AfterFailure::Again(pause),
            _ => AfterFailure::Park,
        }
    }

    /// Puts an event that failed back, to be tried again after `pause`.
    pub(super) fn failed(&mut self, event: WaitingEvent, pause: Duration) {
        let Some(line) = self.lines.get_mut(&event.client_id) else {
            return;
        };
        let due = Instant::now() + pause;
        line.is_flying = false;
        line.due = Some(due);
        self.due
            .insert((due, event.position, event.client_id.clone()));
        if let Some(first) = line.events.front_mut() {
            *first = event;
        }
    }

    /// Ends all pauses: the other system works again.
    pub(super) fn wake_all(&mut self) {
        let now = Instant::now();
        for (_, position, client_id) in std::mem::take(&mut self.due) {
            if let Some(line) = self.lines.get_mut(&client_id) {
                line.due = Some(now);
            }
            self.due.insert((now, position, client_id));
        }
    }

    /// Ends the pause of the event at `position`. Returns whether it was in a pause.
    pub(super) fn wake(&mut self, position: u64) -> bool {
        let found = self
            .due
            .iter()
            .find(|(_, first, _)| *first == position)
            .cloned();
        let Some(found) = found else {
            return false;
        };
        self.due.remove(&found);
        let now = Instant::now();
        if let Some(line) = self.lines.get_mut(&found.2) {
            line.due = Some(now);
        }
        self.due.insert((now, position, found.2));
        true
    }

    /// Removes the event at `position` that is not being delivered. Returns whether it was there.
    pub(super) fn skip(&mut self, position: u64) -> bool {
        let found = self.lines.iter().find_map(|(id, line)| {
            let at = line
                .events
                .iter()
                .position(|event| event.position == position)?;
            (at > 0 || !line.is_flying).then(|| (id.clone(), at))
        });
        let Some((client_id, at)) = found else {
            return false;
        };
        if at == 0 {
            self.due.retain(|(_, first, _)| *first != position);
            self.delivered(&client_id);
        } else if let Some(line) = self.lines.get_mut(&client_id) {
            line.events.remove(at);
            self.count -= 1;
        }
        true
    }

    /// Returns the event that has failed most often and is not being delivered.
    pub(super) fn most_failed(&self) -> Option<&WaitingEvent> {
        let lines = self.lines.values().filter(|line| !line.is_flying);
        let firsts = lines.filter_map(|line| line.events.front());
        firsts
            .filter(|event| event.attempts > 0)
            .max_by_key(|event| event.attempts)
    }

    /// Returns all events, in the order of the log, as they are stored.
    pub(super) fn stored(&self) -> Vec<WaitingEvent> {
        let events = self.lines.values().flat_map(|line| line.events.iter());
        let mut events: Vec<WaitingEvent> = events.cloned().collect();
        events.sort_by_key(|event| event.position);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64, client_id: &str) -> WaitingEvent {
        WaitingEvent {
            position,
            client_id: ClientId::parse(client_id).unwrap(),
            attempts: 0,
            failing_since: None,
            due: None,
            error: None,
            resume_at: None,
            is_deletion: false,
        }
    }

    fn deletion(position: u64, client_id: &str) -> WaitingEvent {
        WaitingEvent {
            is_deletion: true,
            ..event(position, client_id)
        }
    }

    fn backlog(events: &[WaitingEvent]) -> Backlog {
        Backlog::restored(events.to_vec(), Timestamp::from_unix(0))
    }

    fn taken(backlog: &mut Backlog) -> Vec<u64> {
        let mut positions = Vec::new();
        while let Some(event) = backlog.take_due() {
            positions.push(event.position);
        }
        positions
    }

    #[test]
    fn events_of_one_client_are_delivered_one_at_a_time_and_in_order() {
        let mut backlog = backlog(&[event(1, "a"), event(2, "a"), event(3, "b")]);
        assert_eq!(taken(&mut backlog), [1, 3]);
        backlog.delivered(&event(1, "a").client_id);
        assert_eq!(taken(&mut backlog), [2]);
        backlog.delivered(&event(2, "a").client_id);
        backlog.delivered(&event(3, "b").client_id);
        assert!(backlog.count == 0 && backlog.next_due().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_failed_holds_up_its_client_only() {
        let mut backlog = backlog(&[event(1, "a"), event(2, "a"), event(3, "b")]);
        assert_eq!(taken(&mut backlog), [1, 3]);
        let pause = Duration::from_secs(9);
        backlog.failed(event(1, "a"), pause);
        backlog.delivered(&event(3, "b").client_id);
        backlog.add(event(4, "b"));
        assert_eq!(taken(&mut backlog), [4]);
        tokio::time::advance(pause).await;
        assert_eq!(taken(&mut backlog), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_ends_the_pause_and_replaces_what_still_fails() {
        let mut backlog = backlog(&[event(1, "a"), event(2, "a")]);
        assert_eq!(taken(&mut backlog), [1]);
        let pause = Duration::from_secs(9);
        let a = event(1, "a").client_id;
        assert_eq!(
            backlog.after_failure(&a, Some(pause)),
            AfterFailure::Again(pause)
        );
        backlog.failed(event(1, "a"), pause);
        backlog.add(deletion(3, "a"));
        assert_eq!(taken(&mut backlog), [1]);
        assert_eq!(
            backlog.after_failure(&a, Some(pause)),
            AfterFailure::Superseded
        );
        backlog.delivered(&a);
        assert_eq!(taken(&mut backlog), [2]);
        backlog.delivered(&a);
        assert_eq!(taken(&mut backlog), [3]);
        assert_eq!(
            backlog.after_failure(&a, Some(pause)),
            AfterFailure::Again(pause)
        );
        assert_eq!(backlog.after_failure(&a, None), AfterFailure::Park);
    }

    #[test]
    fn a_client_with_too_many_events_does_not_fill_the_backlog() {
        let mut backlog = backlog(&[]);
        for position in 0..=u64::try_from(MOST_OF_A_CLIENT).unwrap() {
            backlog.add(event(position, "a"));
        }
        let a = event(1, "a").client_id;
        let pause = Some(Duration::from_secs(1));
        assert_eq!(backlog.after_failure(&a, pause), AfterFailure::Park);
        assert!(backlog.take_due().is_some());
        backlog.delivered(&a);
        assert_eq!(
            backlog.after_failure(&a, pause),
            AfterFailure::Again(Duration::from_secs(1))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_operator_skips_and_wakes() {
        let mut backlog = backlog(&[event(1, "a"), event(2, "a"), event(3, "b"), event(4, "c")]);
        assert_eq!(taken(&mut backlog), [1, 3, 4]);
        assert!(!backlog.skip(1), "it is being delivered");
        backlog.failed(event(1, "a"), Duration::from_mins(1));
        backlog.failed(event(3, "b"), Duration::from_mins(1));
        assert!(backlog.skip(1) && !backlog.skip(1));
        assert_eq!(taken(&mut backlog), [2]);
        assert!(backlog.wake(3) && !backlog.wake(4));
        assert_eq!(taken(&mut backlog), [3]);
        let positions: Vec<u64> = backlog
            .stored()
            .iter()
            .map(|event| event.position)
            .collect();
        assert_eq!(positions, [2, 3, 4]);
    }
}
