//! The version of the rules by which commands change the state.
//!
//! It is replicated. A new data folder begins with version 1; a command raises it, once every member supports the
//! higher one, so that members of two releases work in one ensemble and both do the same. Where a rule has changed,
//! apply asks [`State::rules`].

use super::State;

/// The oldest rules that this release knows.
pub const RULES_MIN: u16 = 1;
/// The newest rules that this release knows. A build with the feature `rules-1` is as the first release was.
pub const RULES_MAX: u16 = if cfg!(feature = "rules-1") { 1 } else { 2 };

/// From this version on, clients see a change of the members when it is complete, and not its steps.
pub(super) const MEMBERS_SHOWN_ONCE: u16 = 2;

/// The rules that one server supports: those of its release, or fewer if it is told to hold back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedRules {
    min: u16,
    max: u16,
}

/// Why a server cannot go on with this data. It has changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The data is of a newer release.
    #[error(
        "this ensemble uses rules {used}; this server knows up to {max}: start a newer treekeeper on this data folder, or this \
         one without treekeeper.rulesVersion. The data is unharmed"
    )]
    TooNew {
        /// The rules of the data.
        used: u16,
        /// The newest that the server supports.
        max: u16,
    },
    /// The data is of a release so old that this one does not know its rules.
    #[error(
        "this ensemble uses rules {used}; this server knows only {min} and later: start an older treekeeper on this data \
         folder, on all members, and upgrade one release at a time. The data is unharmed"
    )]
    TooOld {
        /// The rules of the data.
        used: u16,
        /// The oldest that the server supports.
        min: u16,
    },
}

impl SupportedRules {
    /// All that this release knows.
    pub const RELEASE: Self = Self {
        min: RULES_MIN,
        max: RULES_MAX,
    };

    /// Those up to `max`.
    #[must_use]
    pub fn up_to(max: u16) -> Self {
        Self {
            max: max.clamp(RULES_MIN, RULES_MAX),
            ..Self::RELEASE
        }
    }

    /// The newest.
    #[must_use]
    pub fn max(self) -> u16 {
        self.max
    }

    /// Can a server with these rules work on data that uses `used`?
    ///
    /// # Errors
    /// [`RulesError`] says what to do.
    pub fn check(self, used: u16) -> Result<(), RulesError> {
        if used > self.max {
            return Err(RulesError::TooNew {
                used,
                max: self.max,
            });
        }
        if used < self.min {
            return Err(RulesError::TooOld {
                used,
                min: self.min,
            });
        }
        Ok(())
    }
}

impl State {
    /// The rules in use.
    #[must_use]
    pub fn rules(&self) -> u16 {
        self.meta.rules()
    }

    /// Has the membership changed since clients last saw it?
    #[must_use]
    pub fn hides_members(&self) -> bool {
        !self.meta.members.is_empty()
    }
}

/// Raises the rules; they never fall.
pub(super) fn raise(state: &mut State, rules: u16) {
    state.meta.rules = state.rules().max(rules);
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_server_works_on_the_data_whose_rules_it_knows() {
        let held = SupportedRules::up_to(1);
        assert_eq!(held.check(1), Ok(()));
        assert_eq!(held.check(2), Err(RulesError::TooNew { used: 2, max: 1 }));
        assert_eq!(SupportedRules::RELEASE.check(RULES_MAX), Ok(()));
        assert!(SupportedRules::RELEASE.check(RULES_MAX + 1).is_err());
        let later = SupportedRules { min: 2, max: 3 };
        assert_eq!(later.check(1), Err(RulesError::TooOld { used: 1, min: 2 }));
        assert_eq!(SupportedRules::up_to(99), SupportedRules::RELEASE);
    }
}
