//! Which users have changed lately, so that the trust in them ends on all workers, and in nobody else.

use std::collections::VecDeque;

use super::secrets::User;

/// How many changes are remembered. A worker that was told of none for as long trusts nobody.
const REMEMBERED: usize = 1000;

/// The users that have changed lately.
#[derive(Debug, Default)]
pub struct Changed {
    /// How many changes there were.
    version: u64,
    /// The last of them.
    users: VecDeque<User>,
}

impl Changed {
    /// Rises with each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// This user has changed.
    pub fn add(&mut self, user: User) {
        self.version += 1;
        self.users.push_back(user);
        if self.users.len() > REMEMBERED {
            self.users.pop_front();
        }
    }

    /// Any user may have changed.
    pub fn add_all(&mut self) {
        // Nobody who has heard less can be told of each.
        self.version += 1;
        self.users.clear();
    }

    /// Which users have changed since that version; none: too many to tell, so it may be any.
    pub fn since(&self, version: u64) -> Option<Vec<User>> {
        let missed = usize::try_from(self.version.checked_sub(version)?).ok()?;
        let first = self.users.len().checked_sub(missed)?;
        Some(self.users.range(first..).cloned().collect())
    }
}
