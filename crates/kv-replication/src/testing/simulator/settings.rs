//! With which W and which followers leaders have been started.

use super::shape::Setting;

/// What leaders have been started with, as far as it still matters.
#[derive(Debug)]
pub(super) struct Settings {
    /// That of the leader that served last.
    pub(super) served: Setting,
    /// One that has been tried since, and may be half in force.
    pub(super) tried: Option<Setting>,
    /// The change is given up, for now.
    pub(super) goes_back: bool,
    /// Nobody has served yet.
    is_unused: bool,
}

impl Settings {
    pub(super) fn new(first: Setting) -> Self {
        Self { served: first, tried: None, goes_back: false, is_unused: true }
    }

    /// No history has begun: there is nothing that could be lost.
    pub(super) fn is_unused(&self) -> bool {
        self.is_unused
    }

    /// What brings a half finished change to its end.
    pub(super) fn newest(&self) -> &Setting {
        self.tried.as_ref().filter(|_| !self.goes_back).unwrap_or(&self.served)
    }

    /// W of the leader that served last: as long as no other one serves, it is in force.
    pub(super) fn served_write(&self) -> usize {
        self.served.write
    }

    /// Takes the other setting for the newest, if there are two.
    pub(super) fn swap(&mut self) -> bool {
        self.goes_back = !self.goes_back;
        self.tried.is_some()
    }

    /// A leader serves with this setting. Says whether that is another one than before.
    pub(super) fn note_served(&mut self, setting: &Setting) -> bool {
        let is_new = self.served != *setting;
        self.served = setting.clone();
        self.tried = None;
        self.goes_back = false;
        self.is_unused = false;
        is_new
    }
}
