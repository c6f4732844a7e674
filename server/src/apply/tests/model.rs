//! Random histories of two members that differ in memory, flushes and crashes, against a model that is a map.

mod member;
mod reference;
mod step;

use proptest::prelude::*;

use member::Member;
use reference::Reference;
use step::{Disk, steps};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn members_agree_with_the_model_and_each_other_whatever_is_flushed_or_lost(steps in steps()) {
        let mut reference = Reference::default();
        // One keeps everything in memory, the other reads the store for every look.
        let mut members = [Member::new(16 << 20), Member::new(0)];
        for step in steps {
            match step {
                step::Step::Disk { member, disk } => {
                    let member = &mut members[usize::from(member)];
                    match disk {
                        Disk::Freeze => member.freeze(),
                        Disk::Write => member.write(),
                        Disk::Crash => member.crash(),
                        Disk::Restart => member.restart(),
                    }
                }
                step::Step::Command(step) => {
                    let entry = step.at(&reference);
                    let (outcome, changes) = reference.run(&entry);
                    for member in &mut members {
                        let (found, told) = member.run(&entry);
                        prop_assert_eq!(&found, &outcome, "{:?}", entry);
                        prop_assert_eq!(&told, &changes, "{:?}", entry);
                    }
                }
            }
            let [one, other] = &members;
            one.assert_equal(other);
            for member in &members {
                member.assert_is(&reference);
            }
        }
    }
}
