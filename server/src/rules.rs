//! What the leader says in the ensemble's name: that the rules of apply rise, that a change of the members is complete.
//! When that is due `consensus` knows, which knows the members.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use crate::apply::{BatchWriter, Command};
use crate::consensus::Replicated;
use crate::publish::Node;

/// A node as consensus looks at it.
pub struct NodeRules(Weak<Node>);

impl NodeRules {
    /// Of this node.
    #[must_use]
    pub fn new(node: &Arc<Node>) -> Self {
        Self(Arc::downgrade(node))
    }

    fn say(&self, command: &Command) -> Option<Bytes> {
        let node = self.0.upgrade()?;
        let mut writer = BatchWriter::default();
        writer.push(command);
        Some(writer.finish_for_ensemble(node.clock.wall_ms()))
    }
}

impl Replicated for NodeRules {
    fn supported(&self) -> u16 {
        let node = self.0.upgrade();
        node.map_or(0, |node| node.config.rules.max())
    }

    fn rules(&self) -> u16 {
        let node = self.0.upgrade();
        node.map_or(u16::MAX, |node| node.state.read().rules())
    }

    fn hides_members(&self) -> bool {
        let node = self.0.upgrade();
        node.is_some_and(|node| node.state.read().hides_members())
    }

    fn raise(&self, rules: u16) -> Option<Bytes> {
        self.say(&Command::RaiseRules { rules })
    }

    fn show_members(&self) -> Option<Bytes> {
        self.say(&Command::ShowMembers)
    }
}
