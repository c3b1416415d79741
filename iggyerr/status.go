package iggyerr

import "fmt"

// Status is the number with which the server answers a command; 0 is success.
// Source: Iggy 0.8.0, the statuses seen on the wire.
type Status uint32

// Statuses that the library or its users act on.
const (
	StatusGeneric            Status = 1
	StatusInvalidCommand     Status = 3
	StatusDisconnected       Status = 8
	StatusStaleClient        Status = 30
	StatusUnauthenticated    Status = 40
	StatusUnauthorized       Status = 41
	StatusInvalidCredentials Status = 42
	StatusInvalidUsername    Status = 43
	StatusInvalidPassword    Status = 44
	StatusStreamNotFound     Status = 1009
	StatusStreamExists       Status = 1012
	StatusTopicNotFound      Status = 2010
	StatusTopicExists        Status = 2013
	StatusPartitionNotFound  Status = 3007
	StatusNotOwner           Status = 3022
	StatusOffsetNotStored    Status = 3021
	StatusInvalidOffset      Status = 4100
	StatusGroupNotFound      Status = 5000
	StatusGroupExists        Status = 5004
	StatusNotMember          Status = 5006

	statusUnknownToken Status = 20
	statusUserInactive Status = 47
	statusInvalidToken Status = 53
	statusTokenExpired Status = 54
)

var statusText = map[Status]string{
	StatusGeneric:            "error",
	StatusInvalidCommand:     "invalid command",
	StatusDisconnected:       "disconnected by the server, which is being stopped",
	statusUnknownToken:       "unknown token",
	statusUserInactive:       "user inactive",
	statusInvalidToken:       "invalid token",
	statusTokenExpired:       "token expired",
	StatusStaleClient:        "stale client",
	StatusUnauthenticated:    "unauthenticated",
	StatusUnauthorized:       "not permitted",
	StatusInvalidCredentials: "invalid credentials",
	StatusInvalidUsername:    "invalid username",
	StatusInvalidPassword:    "invalid password",
	101:                      "invalid client id",
	StatusStreamNotFound:     "stream not found",
	StatusStreamExists:       "stream exists already",
	1019:                     "the topic's size limit is below the server's segment size",
	StatusTopicNotFound:      "topic not found",
	StatusTopicExists:        "topic exists already",
	2015:                     "too many partitions at once",
	StatusPartitionNotFound:  "partition not found",
	3009:                     "topic full",
	StatusOffsetNotStored:    "offset to delete is not stored",
	StatusNotOwner:           "partition not owned by this member",
	4017:                     "user headers too large",
	4022:                     "payload too large",
	StatusInvalidOffset:      "invalid offset",
	StatusGroupNotFound:      "consumer group not found",
	StatusGroupExists:        "consumer group exists already",
	StatusNotMember:          "not a member of the consumer group",
}

// String is the status in words with its number.
func (s Status) String() string {
	if text, ok := statusText[s]; ok {
		return fmt.Sprintf("%s (status %d)", text, uint32(s))
	}
	return fmt.Sprintf("status %d", uint32(s))
}

// StatusError is an answer of the server other than success: the command was
// read and refused. It matches ErrNotFound, ErrNotMember, ErrNotOwner and
// ErrCredentials by its status.
type StatusError struct {
	// Op is the command, "send" for example.
	Op string
	// Object is what the command was about, "fetchbox/jobs.tasks/3" for example.
	Object string
	// Status is the server's answer.
	Status Status
}

// Error names the command, its object and the status in words.
func (e *StatusError) Error() string {
	if e.Object == "" {
		return fmt.Sprintf("iggy: %s: %s", e.Op, e.Status)
	}
	return fmt.Sprintf("iggy: %s %s: %s", e.Op, e.Object, e.Status)
}

// Is matches the sentinels that stand for statuses.
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
		case StatusInvalidCredentials, StatusInvalidUsername, StatusInvalidPassword, statusUnknownToken, statusInvalidToken, statusTokenExpired, statusUserInactive:
			return true
		}
	}
	return false
}
