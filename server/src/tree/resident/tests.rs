use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::Owner;
use super::*;

fn znode(version: i32, data_len: usize) -> Znode {
    Znode {
        version,
        data: Some(Bytes::from(vec![7; data_len])),
        ..Znode::born(1, 1, Owner::Persistent)
    }
}

fn stored(version: i32, data_len: usize) -> Stored {
    Stored::new(&znode(version, data_len), &mut Vec::new())
}

impl Resident {
    fn version(&self, path: &str) -> Result<i32, usize> {
        self.get(path).map(|znode| znode.version)
    }

    /// Counts everything again and checks it against the bounds. Gives the bytes of memory.
    fn validate(&self) -> usize {
        let (mut len, mut memory_all) = (0, 0);
        for shard in &self.shards {
            let shard = shard.read();
            let living = shard.arena.validate();
            assert_eq!(living.len(), shard.len);
            let in_tables: usize = shard.tables.iter().map(HashTable::len).sum();
            assert_eq!(in_tables, shard.len);
            for location in living {
                let hash = self.hasher.hash_one(shard.arena.path(location));
                let known = shard.tables[table(hash)].find(hash, |other| *other == location);
                assert!(known.is_some(), "{location:?} is in its table");
            }
            assert_eq!(
                shard.tables.iter().map(memory).sum::<usize>(),
                shard.table_bytes
            );
            assert!(shard.memory() <= self.shard_bytes_max);
            assert!(shard.arena.wasteful().is_none());
            len += shard.len;
            memory_all += shard.memory();
        }
        assert_eq!(self.len.load(Ordering::Relaxed), len);
        memory_all
    }
}

#[test]
fn the_last_one_put_is_found_and_a_removed_one_is_not() {
    let resident = Resident::new(1 << 20);
    resident.insert("/a", &stored(1, 100));
    resident.insert("/a", &stored(2, 100));
    resident.insert("/b", &stored(3, 100));
    assert_eq!(resident.version("/a"), Ok(2));
    resident.remove("/a");
    resident.remove("/absent");
    assert_eq!(resident.version("/a"), Err(1));
    assert_eq!(resident.version("/b"), Ok(3));
    resident.remove("/b");
    resident.validate();
    for shard in &resident.shards {
        assert_eq!(shard.read().arena.memory(), 0);
    }
}

#[test]
fn the_budget_holds_and_what_is_looked_up_stays() {
    let budget = 2 << 20;
    let resident = Resident::new(budget);
    let hot: Vec<String> = (0..200).map(|at| format!("/hot/{at}")).collect();
    for path in &hot {
        resident.insert(path, &stored(0, 100));
    }
    for at in 0..50_000 {
        resident.insert(&format!("/cold/{at}"), &stored(0, 100));
        if at % 50 == 0 {
            for path in &hot {
                assert!(resident.get(path).is_ok(), "{path} after {at}");
            }
        }
    }
    let bytes = resident.validate() as u64;
    assert!(bytes > budget / 4 * 3, "the budget is used");
}

#[test]
fn where_everything_was_looked_up_room_is_made_all_the_same() {
    let resident = Resident::with_shards(200_000, 1);
    for at in 0..5_000 {
        let path = format!("/{at}");
        resident.insert(&path, &stored(0, 100));
        assert!(resident.get(&path).is_ok());
        for other in 0..at {
            let _ = resident.get(&format!("/{other}"));
        }
        if at % 100 == 0 {
            resident.validate();
        }
    }
}

#[test]
fn one_large_znode_drives_out_a_few_others() {
    const BUDGET: u64 = 8 << 20;
    let resident = Resident::with_shards(BUDGET, 1);
    let large = stored(0, 10_000);
    let used = || resident.shards[0].read().memory() as u64;
    for at in 0..3_000 {
        let before = used();
        let path = format!("/{at}");
        resident.insert(&path, &large);
        assert!(resident.get(&path).is_ok(), "{path} is the newest");
        let after = used();
        assert!(
            before < BUDGET / 10 * 9 || after >= BUDGET / 10 * 9,
            "{path}: {before} bytes were used, now {after}"
        );
    }
    resident.validate();
}

#[test]
fn one_that_exceeds_the_budget_is_not_kept() {
    let resident = Resident::with_shards(100_000, 1);
    resident.insert("/a", &stored(1, 100));
    resident.insert("/b", &stored(1, 100));
    resident.insert("/large", &stored(1, 100_000));
    assert_eq!(resident.version("/large"), Err(2));
    resident.insert("/a", &stored(2, 100_000));
    assert_eq!(resident.version("/a"), Err(1), "nor the one before it");
    assert_eq!(resident.version("/b"), Ok(1));
    resident.validate();
}

#[test]
fn large_data_are_shared_with_readers_and_not_copied() {
    let resident = Resident::new(16 << 20);
    resident.insert("/large", &stored(1, 10_000));
    let data = || resident.get("/large").expect("is there").data.clone();
    let (one, other) = (data().expect("has some"), data().expect("has some"));
    assert_eq!(one.as_ptr(), other.as_ptr());
    resident.remove("/large");
    assert_eq!(one.as_ref(), [7; 10_000], "they stay as long as the reader");
}

#[test]
fn no_table_is_much_larger_than_the_others() {
    let mut shares = [0; TABLES];
    for middle in 0..1 << 16 {
        shares[table(middle << 40)] += 1;
    }
    let (least, most) = (shares[0], shares[TABLES - 1]);
    assert!(shares.is_sorted(), "{shares:?}");
    assert!(least * 2 >= most && least * 3 < most * 2, "{shares:?}");
}

#[derive(Debug, Clone)]
enum Step {
    /// Of a znode with so many bytes of data.
    Insert(String, usize),
    Remove(String),
    Get(String),
}

fn step() -> impl Strategy<Value = Step> {
    // Short paths, and some that no chunk has room for.
    let path = (0..400usize).prop_map(|at| match at % 20 {
        0 => format!("/{at}/{}", "long".repeat(at)),
        _ => format!("/{at}"),
    });
    let data_len = prop_oneof![
        20 => 0..300usize,
        4 => 900..1100usize,
        1 => 1100..20_000usize,
    ];
    prop_oneof![
        6 => (path.clone(), data_len).prop_map(|(path, data_len)| Step::Insert(path, data_len)),
        2 => path.clone().prop_map(Step::Remove),
        2 => path.prop_map(Step::Get),
    ]
}

/// Room for everything that the steps can insert.
const UNLIMITED: u64 = 64 << 20;

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn what_is_found_is_always_the_newest(
        steps in prop::collection::vec(step(), 1..3000),
        budget in prop_oneof![2 => 0u64..400_000, 1 => Just(UNLIMITED)],
        shards in 0u32..2,
    ) {
        let resident = Resident::with_shards(budget, 1 << shards);
        let mut model = BTreeMap::new();
        let matches = |model: &BTreeMap<String, Znode>, path: &str| {
            match (resident.get(path), model.get(path)) {
                (Ok(found), newest) => prop_assert_eq!(Some(&*found), newest, "{}", path),
                (Err(len), newest) => {
                    prop_assert!(len <= model.len());
                    prop_assert!(newest.is_none() || len < model.len(), "{} is there", path);
                    prop_assert!(newest.is_none() || budget < UNLIMITED, "{} has room", path);
                }
            }
            Ok(())
        };
        for (at, step) in steps.into_iter().enumerate() {
            let version = i32::try_from(at).expect("few");
            match step {
                Step::Insert(path, data_len) => {
                    let znode = znode(version, data_len);
                    resident.insert(&path, &Stored::new(&znode, &mut Vec::new()));
                    model.insert(path.clone(), znode);
                    matches(&model, &path)?;
                }
                Step::Remove(path) => {
                    resident.remove(&path);
                    model.remove(&path);
                    matches(&model, &path)?;
                }
                Step::Get(path) => matches(&model, &path)?,
            }
            if at % 16 == 0 {
                resident.validate();
            }
        }
        resident.validate();
        for path in model.keys() {
            matches(&model, path)?;
        }
    }
}
