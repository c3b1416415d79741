package iggyerr

import "fmt"

// Status is the number with which the server answers a command; 0 is success.
type Status uint32

// The statuses that the library or its users handle. Source: IggyError in
// core/common/src/error/iggy_error.rs of Iggy 0.8.0; the texts below say what the server means by
// them, measured where the name does not.
const (
	StatusGeneric            Status = 1
	StatusDisconnected       Status = 8
	StatusUnauthenticated    Status = 40
	StatusUnauthorized       Status = 41
	StatusInvalidCredentials Status = 42
	StatusStreamNotFound     Status = 1009
	StatusStreamExists       Status = 1012
	StatusTopicNotFound      Status = 2010
	StatusTopicExists        Status = 2013
	StatusPartitionNotFound  Status = 3007
	StatusOffsetNotStored    Status = 3021 // ConsumerOffsetNotFound
	StatusNotOwner           Status = 3022 // NotResolvedConsumer
	StatusInvalidOffset      Status = 4100
	StatusGroupNotFound      Status = 5000
	StatusGroupExists        Status = 5004
	StatusNotMember          Status = 5006

	statusInvalidCommand      Status = 3
	statusUnknownToken        Status = 20 // ResourceNotFound, as answer to a login with a token
	statusStaleClient         Status = 30
	statusTCPError            Status = 31
	statusInvalidUsername     Status = 43
	statusInvalidPassword     Status = 44
	statusUserInactive        Status = 47
	statusInvalidToken        Status = 53 // InvalidPersonalAccessToken
	statusTokenExpired        Status = 54 // PersonalAccessTokenExpired
	statusInvalidClientID     Status = 101
	statusConnectionClosed    Status = 206
	statusInvalidTopicSize    Status = 1019
	statusTooManyPartitions   Status = 2015
	statusTopicFull           Status = 3009
	statusSegmentClosed       Status = 4001
	statusCannotSaveMessages  Status = 4006 // CannotSaveMessagesToSegment
	statusCannotSaveIndex     Status = 4007 // CannotSaveIndexToSegment
	statusCannotSaveTimeIndex Status = 4008 // CannotSaveTimeIndexToSegment
	statusCannotAppendMessage Status = 4010
	statusHeadersTooLarge     Status = 4017 // TooBigUserHeaders
	statusPayloadTooLarge     Status = 4022 // TooBigMessagePayload
	statusShardNotFound       Status = 11000
	statusShardDidNotAnswer   Status = 11001 // ShardCommunicationError
	statusTaskTimeout         Status = 12001
	statusIOError             Status = 13000
)

var statusText = map[Status]string{
	StatusGeneric:            "error",
	statusInvalidCommand:     "invalid command",
	StatusDisconnected:       "disconnected by the server, which is being stopped",
	statusUnknownToken:       "unknown token",
	statusStaleClient:        "stale client",
	StatusUnauthenticated:    "unauthenticated",
	StatusUnauthorized:       "not permitted",
	StatusInvalidCredentials: "invalid credentials",
	statusInvalidUsername:    "invalid username",
	statusInvalidPassword:    "invalid password",
	statusUserInactive:       "user inactive",
	statusInvalidToken:       "invalid token",
	statusTokenExpired:       "token expired",
	statusInvalidClientID:    "invalid client id",
	StatusStreamNotFound:     "stream not found",
	StatusStreamExists:       "stream exists already",
	statusInvalidTopicSize:   "the topic's size limit is below the server's segment size",
	StatusTopicNotFound:      "topic not found",
	StatusTopicExists:        "topic exists already",
	statusTooManyPartitions:  "too many partitions at once",
	StatusPartitionNotFound:  "partition not found",
	statusTopicFull:          "topic full",
	StatusOffsetNotStored:    "offset to delete is not stored",
	StatusNotOwner:           "partition not owned by this member",
	statusHeadersTooLarge:    "user headers too large",
	statusPayloadTooLarge:    "payload too large",
	StatusInvalidOffset:      "invalid offset",
	StatusGroupNotFound:      "consumer group not found",
	StatusGroupExists:        "consumer group exists already",
	StatusNotMember:          "not a member of the consumer group",
}

// String returns the status in words with its number.
func (s Status) String() string {
	if text, ok := statusText[s]; ok {
		return fmt.Sprintf("%s (status %d)", text, uint32(s))
	}
	return fmt.Sprintf("status %d", uint32(s))
}

// StatusError is an answer of the server other than success: the server has read the command and
// refused it. By its status it matches ErrNotFound, ErrNotMember, ErrNotOwner or ErrCredentials.
type StatusError struct {
	// Op is the command, "send" for example.
	Op string
	// Object is the object of the command, "shop/orders/3" for example.
	Object string
	// Status is the server's answer.
	Status Status
}

// Error returns the command, its object and the status in words.
func (e *StatusError) Error() string {
	if e.Object == "" {
		return fmt.Sprintf("iggy: %s: %s", e.Op, e.Status)
	}
	return fmt.Sprintf("iggy: %s %s: %s", e.Op, e.Object, e.Status)
}

// Is reports whether target is the sentinel for the status.
func (e *StatusError) Is(target error) bool {
	switch target {
	case ErrNotFound:
		switch e.Status {
		case StatusStreamNotFound, StatusTopicNotFound, StatusPartitionNotFound, StatusGroupNotFound:
			return true
		}
	case ErrNotMember:
		return e.Status == StatusNotMember
	case ErrNotOwner:
		return e.Status == StatusNotOwner
	case ErrCredentials:
		switch e.Status {
		case StatusInvalidCredentials, statusInvalidUsername, statusInvalidPassword,
			statusUnknownToken, statusInvalidToken, statusTokenExpired, statusUserInactive:
			return true
		}
	}
	return false
}
