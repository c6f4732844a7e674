//! Error numbers of a reply header, of a failed multi part and of the client library.

use crate::wire_enum::wire_enum;

wire_enum! {
    /// Why an operation failed, with the numbers of `KeeperException.Code`.
    ///
    /// Clients know these numbers only: a server must not invent others.
    pub enum ErrorCode {
        /// No error.
        Ok = 0,
        /// Boundary of the system errors; never sent.
        SystemError = -1,
        /// A part of a multi that was not tried because an earlier one failed.
        RuntimeInconsistency = -2,
        /// Never sent.
        DataInconsistency = -3,
        /// The connection was lost before the reply arrived; made by clients.
        ConnectionLoss = -4,
        /// The request could not be decoded.
        MarshallingError = -5,
        /// The operation is unknown or switched off.
        Unimplemented = -6,
        /// Made by clients.
        OperationTimeout = -7,
        /// A path, flag, time to live or other argument is invalid.
        BadArguments = -8,
        /// The session is unknown; internal to servers.
        UnknownSession = -12,
        /// The members of the new configuration are not connected.
        NewConfigNoQuorum = -13,
        /// Another reconfiguration is under way.
        ReconfigInProgress = -14,
        /// Boundary of the API errors; never sent.
        ApiError = -100,
        /// The znode or its parent does not exist.
        NoNode = -101,
        /// The access control list forbids it.
        NoAuth = -102,
        /// The expected version does not match.
        BadVersion = -103,
        /// Ephemeral znodes have no children.
        NoChildrenForEphemerals = -108,
        /// The znode exists already.
        NodeExists = -110,
        /// The znode has children.
        NotEmpty = -111,
        /// The session has expired or was closed.
        SessionExpired = -112,
        /// Made by clients.
        InvalidCallback = -113,
        /// The access control list is invalid.
        InvalidAcl = -114,
        /// The authentication failed.
        AuthFailed = -115,
        /// The session is served over another connection.
        SessionMoved = -118,
        /// A write came to a read-only server.
        NotReadOnly = -119,
        /// A local session cannot own ephemeral znodes.
        EphemeralOnLocalSession = -120,
        /// There is no such watch on the connection.
        NoWatcher = -121,
        /// Made by clients.
        RequestTimeout = -122,
        /// Reconfiguration is switched off.
        ReconfigDisabled = -123,
        /// The server insists on authentication first.
        SessionClosedRequireSaslAuth = -124,
        /// A quota would be exceeded.
        QuotaExceeded = -125,
        /// The request waited too long for its turn.
        ThrottledOp = -127,
    }
}

impl ErrorCode {
    /// What happened, in words without a full stop.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Ok => "no error",
            Self::SystemError => "system error",
            Self::RuntimeInconsistency => {
                "not tried because an earlier operation of the multi failed"
            }
            Self::DataInconsistency => "data inconsistency",
            Self::ConnectionLoss => "connection lost",
            Self::MarshallingError => "request could not be decoded",
            Self::Unimplemented => "operation is not implemented or switched off",
            Self::OperationTimeout => "operation timed out",
            Self::BadArguments => "invalid argument",
            Self::UnknownSession => "unknown session",
            Self::NewConfigNoQuorum => "no quorum of the new configuration is connected",
            Self::ReconfigInProgress => "another reconfiguration is in progress",
            Self::ApiError => "API error",
            Self::NoNode => "znode does not exist",
            Self::NoAuth => "not permitted by the access control list",
            Self::BadVersion => "version does not match",
            Self::NoChildrenForEphemerals => "ephemeral znodes cannot have children",
            Self::NodeExists => "znode exists already",
            Self::NotEmpty => "znode has children",
            Self::SessionExpired => "session expired",
            Self::InvalidCallback => "invalid callback",
            Self::InvalidAcl => "invalid access control list",
            Self::AuthFailed => "authentication failed",
            Self::SessionMoved => "session moved to another connection",
            Self::NotReadOnly => "server is read-only",
            Self::EphemeralOnLocalSession => "local session cannot own ephemeral znodes",
            Self::NoWatcher => "no such watch",
            Self::RequestTimeout => "request timed out",
            Self::ReconfigDisabled => "reconfiguration is disabled",
            Self::SessionClosedRequireSaslAuth => "authentication is required",
            Self::QuotaExceeded => "quota exceeded",
            Self::ThrottledOp => "request was throttled",
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_back_to_its_error() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_i32(code.as_i32()), Some(code));
        }
        for unassigned in [1, -9, -116, -117, -126, -128, i32::MIN] {
            assert_eq!(ErrorCode::from_i32(unassigned), None);
        }
    }
}
