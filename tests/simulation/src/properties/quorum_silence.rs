//! A member answers nobody once no quorum has confirmed its leader for the limit: its clients may have lost their
//! sessions, and somebody else may hold their locks. Judged by the messages that really arrived.

use std::time::Duration;

use crate::history::{Record, What};
use crate::member::CONTACT_LIMIT;

/// Contact is counted in whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(3);

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    for record in records {
        if let What::Answered {
            member,
            confirmed_ago,
        } = &record.what
            && confirmed_ago.is_none_or(|ago| ago > CONTACT_LIMIT + ROUNDING)
        {
            broken.push(format!(
                "member {member} answered a client at {:?}, and a quorum was there {confirmed_ago:?} before",
                record.at
            ));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::check;
    use crate::history::What;
    use crate::member::CONTACT_LIMIT;
    use crate::properties::scene::Scene;

    #[test]
    fn an_answer_without_a_quorum_is_caught() {
        for (confirmed_ago, caught) in [
            (Some(Duration::ZERO), 0),
            (Some(CONTACT_LIMIT), 0),
            (Some(CONTACT_LIMIT * 2), 1),
            (None, 1),
        ] {
            let mut scene = Scene::default();
            let member = 1;
            scene.note(What::Answered {
                member,
                confirmed_ago,
            });
            assert_eq!(check(&scene.records).len(), caught, "{confirmed_ago:?}");
        }
    }
}
