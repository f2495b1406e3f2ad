//! Decides which event is delivered next. The events of one client follow one another, in their order.
//!
//! Otherwise another system could receive a change at the same time as the deletion, or retried after the
//! deletion. It would keep a client that no longer exists here.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use tokio_util::sync::CancellationToken;

use crate::script::after::Event;

/// The events that are queued or being delivered, with one queue per client.
#[derive(Default)]
pub(super) struct ClientQueues {
    clients: HashMap<String, ClientQueue>,
    /// The clients whose first event can be delivered, in the order in which it became ready.
    due: VecDeque<String>,
}

/// The events of one client, except the event that is being delivered or waits for a retry.
struct ClientQueue {
    waiting: VecDeque<Event>,
    /// Ends the pause before a retry, if one of the client's events waits for a retry.
    pause: Option<CancellationToken>,
    /// Whether a deletion has arrived.
    is_gone: bool,
}

impl ClientQueues {
    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Adds `event`, the latest event of its client. Returns the events that are no longer delivered.
    pub(super) fn add(&mut self, event: Event) -> VecDeque<Event> {
        let queue = match self.clients.entry(event.client_id().to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                self.due.push_back(place.key().clone());
                place.insert(ClientQueue {
                    waiting: VecDeque::new(),
                    pause: None,
                    is_gone: false,
                })
            }
        };
        queue.add(event)
    }

    /// Returns the next event to deliver, if one is ready. Other events of the same client wait for it.
    pub(super) fn take_due(&mut self) -> Option<Event> {
        let client_id = self.due.pop_front()?;
        self.clients.get_mut(&client_id)?.waiting.pop_front()
    }

    /// Notes that `event` was delivered or given up, so that the next event of its client can be delivered.
    pub(super) fn leave(&mut self, event: &Event) {
        match self.clients.get(event.client_id()) {
            Some(queue) if !queue.waiting.is_empty() => {
                self.due.push_back(event.client_id().to_owned());
            }
            _ => drop(self.clients.remove(event.client_id())),
        }
    }

    /// Notes that `event` has failed and will be retried after a pause that `end` can cut short. A deletion
    /// of its client does not wait for the retry.
    pub(super) fn pause(&mut self, event: &Event, end: &CancellationToken) {
        let Some(queue) = self.clients.get_mut(event.client_id()) else {
            return;
        };
        if queue.is_deletion_next() {
            end.cancel();
        }
        queue.pause = Some(end.clone());
    }

    /// Queues `event` for a retry after its pause. Returns it instead when a deletion replaces it.
    pub(super) fn resume(&mut self, event: Event) -> Option<Event> {
        let Some(queue) = self.clients.get_mut(event.client_id()) else {
            return Some(event);
        };
        queue.pause = None;
        self.due.push_back(event.client_id().to_owned());
        if queue.is_deletion_next() {
            return Some(event);
        }
        queue.waiting.push_front(event);
        None
    }
}

impl ClientQueue {
    fn add(&mut self, event: Event) -> VecDeque<Event> {
        if !event.is_deletion() {
            // A deleted client does not change. This change was made before the deletion and arrived late.
            if self.is_gone {
                return VecDeque::from([event]);
            }
            self.waiting.push_back(event);
            return VecDeque::new();
        }
        self.is_gone = true;
        if let Some(pause) = &self.pause {
            pause.cancel();
        }
        std::mem::replace(&mut self.waiting, VecDeque::from([event]))
    }

    /// Returns whether a deletion is queued. A deletion is always first, because it replaces all others.
    fn is_deletion_next(&self) -> bool {
        self.waiting.front().is_some_and(Event::is_deletion)
    }
}
