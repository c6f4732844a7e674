//! Operation numbers: the `type` of a request header, of a multi header and of a transaction.

use crate::wire_enum::wire_enum;

wire_enum! {
    /// An operation of the `ZooKeeper` protocol.
    pub enum OpCode {
        /// A watch event, from the server to a client only.
        Notification = 0,
        /// Creates a znode and answers with its path.
        Create = 1,
        /// Deletes a znode without children.
        Delete = 2,
        /// Asks for the [`Stat`](crate::Stat) of a znode.
        Exists = 3,
        /// Reads data and stat.
        GetData = 4,
        /// Replaces data.
        SetData = 5,
        /// Reads the access control list.
        GetAcl = 6,
        /// Replaces the access control list.
        SetAcl = 7,
        /// Lists the names of children.
        GetChildren = 8,
        /// Waits until the server has caught up with the leader.
        Sync = 9,
        /// Keeps a session alive.
        Ping = 11,
        /// Lists the names of children, with the stat of the parent.
        GetChildren2 = 12,
        /// Compares a version; only inside a multi.
        Check = 13,
        /// Several writes that happen together or not at all.
        Multi = 14,
        /// Creates a znode and answers with its path and stat.
        Create2 = 15,
        /// Changes the members of the ensemble.
        Reconfig = 16,
        /// Asks whether a watch is registered.
        CheckWatches = 17,
        /// Removes a watch.
        RemoveWatches = 18,
        /// Creates a container, which goes away after its last child.
        CreateContainer = 19,
        /// Removes an empty container or an outlived TTL znode; internal to servers.
        DeleteContainer = 20,
        /// Creates a znode with a time to live.
        CreateTtl = 21,
        /// Several reads in one request.
        MultiRead = 22,
        /// Adds an identity to the connection.
        Auth = 100,
        /// Registers one-shot watches again after a reconnect.
        SetWatches = 101,
        /// One token of a SASL exchange.
        Sasl = 102,
        /// Lists the ephemeral znodes of the caller's session.
        GetEphemerals = 103,
        /// Counts all descendants.
        GetAllChildrenNumber = 104,
        /// Registers watches of every kind again after a reconnect.
        SetWatches2 = 105,
        /// Registers a persistent watch.
        AddWatch = 106,
        /// Lists the identities of the connection.
        WhoAmI = 107,
        /// Opens a session; internal to servers.
        CreateSession = -10,
        /// Closes the session.
        CloseSession = -11,
        /// A failed transaction; also the type of the header that ends a multi.
        Error = -1,
    }
}

impl OpCode {
    /// True if the operation changes replicated state and therefore goes through consensus.
    #[must_use]
    pub const fn is_write(self) -> bool {
        match self {
            Self::Create
            | Self::Delete
            | Self::SetData
            | Self::SetAcl
            | Self::Check
            | Self::Multi
            | Self::Create2
            | Self::Reconfig
            | Self::CreateContainer
            | Self::DeleteContainer
            | Self::CreateTtl
            | Self::CreateSession
            | Self::CloseSession => true,
            Self::Notification
            | Self::Exists
            | Self::GetData
            | Self::GetAcl
            | Self::GetChildren
            | Self::Sync
            | Self::Ping
            | Self::GetChildren2
            | Self::CheckWatches
            | Self::RemoveWatches
            | Self::MultiRead
            | Self::Auth
            | Self::SetWatches
            | Self::Sasl
            | Self::GetEphemerals
            | Self::GetAllChildrenNumber
            | Self::SetWatches2
            | Self::AddWatch
            | Self::WhoAmI
            | Self::Error => false,
        }
    }

    /// True if a client may send the operation as a request of its own. The others are answered with
    /// [`ErrorCode::Unimplemented`](crate::ErrorCode::Unimplemented) and a closed connection.
    #[must_use]
    pub const fn is_client_request(self) -> bool {
        !matches!(
            self,
            Self::Notification
                | Self::Check
                | Self::DeleteContainer
                | Self::CreateSession
                | Self::Error
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_back_to_its_operation() {
        for &op in OpCode::ALL {
            assert_eq!(OpCode::from_i32(op.as_i32()), Some(op));
        }
        for unassigned in [-12, -2, 10, 23, 99, 108, 500, i32::MAX, i32::MIN] {
            assert_eq!(OpCode::from_i32(unassigned), None);
        }
    }

    #[test]
    fn internal_operations_are_no_client_requests() {
        let internal: Vec<_> = OpCode::ALL
            .iter()
            .filter(|op| !op.is_client_request())
            .map(|op| op.as_i32())
            .collect();
        assert_eq!(internal, [0, 13, 20, -10, -1]);
    }
}
