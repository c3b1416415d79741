package embedded

import "strconv"

// Status is the first field of an answer: 0 for success, otherwise the code of an error. The
// numbers are those of Iggy 0.8.0.
type Status uint32

// The statuses that this server answers.
const (
	StatusOK                     Status = 0
	StatusError                  Status = 1
	StatusInvalidCommand         Status = 3
	StatusInvalidFormat          Status = 4
	StatusInvalidIdentifier      Status = 6
	StatusDisconnected           Status = 8
	StatusResourceNotFound       Status = 20
	StatusStaleClient            Status = 30
	StatusUnauthenticated        Status = 40
	StatusUnauthorized           Status = 41
	StatusInvalidCredentials     Status = 42
	StatusInvalidUsername        Status = 43
	StatusInvalidPassword        Status = 44
	StatusUserAlreadyExists      Status = 46
	StatusUserInactive           Status = 47
	StatusCannotDeleteUser       Status = 48
	StatusCannotChangePermission Status = 49
	StatusInvalidTokenName       Status = 50
	StatusTokenAlreadyExists     Status = 51
	StatusTokenLimitReached      Status = 52
	StatusTokenExpired           Status = 54
	StatusClientNotFound         Status = 100
	StatusInvalidClientID        Status = 101
	StatusStreamNotFound         Status = 1009
	StatusStreamExists           Status = 1012
	StatusInvalidTopicSize       Status = 1019
	StatusTopicNotFound          Status = 2010
	StatusTopicExists            Status = 2013
	StatusTooManyPartitions      Status = 2015
	StatusInvalidPartitionsCount Status = 2019
	StatusPartitionNotFound      Status = 3007
	StatusOffsetNotStored        Status = 3021
	StatusNotOwner               Status = 3022
	StatusCannotSaveMessages     Status = 4006
	StatusInvalidMessagesCount   Status = 4009
	StatusTooBigUserHeaders      Status = 4017
	StatusTooBigPayload          Status = 4022
	StatusNonZeroOffset          Status = 4031
	StatusNonZeroTimestamp       Status = 4032
	StatusMissingIndex           Status = 4033
	StatusInvalidMessagesSize    Status = 4036
	StatusInvalidOffset          Status = 4100
	StatusGroupNotFound          Status = 5000
	StatusGroupExists            Status = 5004
	StatusNotMember              Status = 5006
	StatusSnapshotFailed         Status = 9000
	StatusInvalidIndexPosition   Status = 10011
	StatusIOError                Status = 13000
)

var statusNames = map[Status]string{
	StatusOK: "ok", StatusError: "error", StatusInvalidCommand: "invalid command", StatusInvalidFormat: "invalid format",
	StatusInvalidIdentifier: "invalid identifier", StatusDisconnected: "disconnected",
	StatusResourceNotFound: "resource not found", StatusStaleClient: "stale client",
	StatusUnauthenticated: "unauthenticated", StatusUnauthorized: "unauthorized",
	StatusInvalidCredentials: "invalid credentials", StatusInvalidUsername: "invalid username",
	StatusInvalidPassword: "invalid password", StatusUserAlreadyExists: "user already exists",
	StatusUserInactive: "user inactive", StatusCannotDeleteUser: "cannot delete user",
	StatusCannotChangePermission: "cannot change permissions", StatusInvalidTokenName: "invalid token name",
	StatusTokenAlreadyExists: "token already exists", StatusTokenLimitReached: "token limit reached",
	StatusTokenExpired: "token expired", StatusClientNotFound: "client not found",
	StatusInvalidClientID: "invalid client id", StatusStreamNotFound: "stream not found",
	StatusStreamExists: "stream already exists", StatusInvalidTopicSize: "invalid topic size",
	StatusTopicNotFound: "topic not found", StatusTopicExists: "topic already exists",
	StatusTooManyPartitions: "too many partitions", StatusInvalidPartitionsCount: "invalid partitions count",
	StatusPartitionNotFound: "partition not found", StatusOffsetNotStored: "consumer offset not found",
	StatusNotOwner: "not the owner of the partition", StatusCannotSaveMessages: "cannot save messages", StatusInvalidMessagesCount: "invalid messages count",
	StatusTooBigUserHeaders: "user headers too big", StatusTooBigPayload: "payload too big",
	StatusNonZeroOffset: "non-zero offset", StatusNonZeroTimestamp: "non-zero timestamp",
	StatusMissingIndex: "missing index", StatusInvalidMessagesSize: "invalid messages size",
	StatusInvalidOffset: "invalid offset", StatusGroupNotFound: "consumer group not found",
	StatusGroupExists: "consumer group already exists", StatusNotMember: "not a member of the consumer group",
	StatusSnapshotFailed:       "snapshot failed",
	StatusInvalidIndexPosition: "cannot read index position", StatusIOError: "i/o error",
}

// String returns a short name of the status, or its number.
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return "status " + strconv.FormatUint(uint64(s), 10)
}
