//! Whose event is told next: those of one client one after the other, in the order in which they came.
//!
//! Another system that hears of a change and of the deletion side by side, or of the change once more
//! when the deletion is through, has a client in the end that is gone here.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use tokio_util::sync::CancellationToken;

use super::Event;

/// The events that were not told to the end, a line for each client.
#[derive(Default)]
pub(super) struct Lines {
    clients: HashMap<String, Line>,
    /// The clients whose first event can be told, in the order in which it could.
    due: VecDeque<String>,
}

/// The events of one client, but for the one that is being told or is to be tried again.
struct Line {
    waiting: VecDeque<Event>,
    /// Ends the pause before the next try, if one of the client's events is to be tried again.
    pause: Option<CancellationToken>,
    /// A deletion came.
    is_gone: bool,
}

impl Lines {
    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Takes in `event`, the latest of its client. Returns those that are not to be told any more.
    pub(super) fn add(&mut self, event: Event) -> VecDeque<Event> {
        let line = match self.clients.entry(event.client_id().to_owned()) {
            Entry::Occupied(line) => line.into_mut(),
            Entry::Vacant(place) => {
                self.due.push_back(place.key().clone());
                place.insert(Line { waiting: VecDeque::new(), pause: None, is_gone: false })
            }
        };
        line.add(event)
    }

    /// The event that is told next, if one can be; the others of its client wait for it.
    pub(super) fn take_due(&mut self) -> Option<Event> {
        let client_id = self.due.pop_front()?;
        self.clients.get_mut(&client_id)?.waiting.pop_front()
    }

    /// `event` was told, or given up: the next one of its client can be told.
    pub(super) fn leave(&mut self, event: &Event) {
        match self.clients.get(event.client_id()) {
            Some(line) if !line.waiting.is_empty() => self.due.push_back(event.client_id().to_owned()),
            _ => drop(self.clients.remove(event.client_id())),
        }
    }

    /// `event` failed and is to be tried again after a pause that `end` ends: a deletion of its client
    /// does not wait for that.
    pub(super) fn pause(&mut self, event: &Event, end: &CancellationToken) {
        let Some(line) = self.clients.get_mut(event.client_id()) else { return };
        if line.is_deletion_next() {
            end.cancel();
        }
        line.pause = Some(end.clone());
    }

    /// The pause of `event` is over, and it can be told again; or it is returned, because a deletion is
    /// told in its place.
    pub(super) fn resume(&mut self, event: Event) -> Option<Event> {
        let Some(line) = self.clients.get_mut(event.client_id()) else { return Some(event) };
        line.pause = None;
        self.due.push_back(event.client_id().to_owned());
        if line.is_deletion_next() {
            return Some(event);
        }
        line.waiting.push_front(event);
        None
    }
}

impl Line {
    fn add(&mut self, event: Event) -> VecDeque<Event> {
        if !event.is_deletion() {
            // Nothing is done to a client that is gone: this was done before, and came here later.
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

    /// Whether a deletion waits. None waits behind another event, because it takes the place of all.
    fn is_deletion_next(&self) -> bool {
        self.waiting.front().is_some_and(Event::is_deletion)
    }
}
