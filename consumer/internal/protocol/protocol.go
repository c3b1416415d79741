// Package protocol says what the answers of an Iggy 0.8 server mean to a consumer: whether a
// refusal means that a partition or the membership is lost, who owns a partition, and where a log
// ends. It has no state.
//
// What the documentation of the server does not say was measured on Iggy 0.8.0.
package protocol

import (
	"context"
	"errors"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// BeyondLogs is an offset beyond the end of every log.
const BeyondLogs = 1 << 62

// IsRefused reports whether err is an answer of the server, and not the lack of one.
func IsRefused(err error) bool {
	var status *iggyerr.StatusError
	return errors.As(err, &status)
}

// IsNotOwner reports whether err means that the partition is assigned to another member. Over
// transports that can't tell more, the bare status 1 is considered to mean that, too.
func IsNotOwner(err error) bool {
	return errors.Is(err, iggyerr.ErrNotOwner) || hasStatus(err, iggyerr.StatusGeneric)
}

// IsNotMember reports whether err means that the membership does not exist, or its group, topic or
// stream.
func IsNotMember(err error) bool {
	return errors.Is(err, iggyerr.ErrNotMember) || errors.Is(err, iggyerr.ErrNotFound)
}

// IsLost reports whether err means that the partition or the membership is lost.
func IsLost(err error) bool { return IsNotOwner(err) || IsNotMember(err) }

// IsInvalidOffset reports whether the server refused an offset: it is beyond the log, or the log
// can't be read there.
func IsInvalidOffset(err error) bool { return hasStatus(err, iggyerr.StatusInvalidOffset) }

func hasStatus(err error, status iggyerr.Status) bool {
	var refused *iggyerr.StatusError
	return errors.As(err, &refused) && refused.Status == status
}

// Owns reports whether a partition is assigned to this member of a group, including one that the
// server is about to move: it refuses to store an offset beyond the log with one status for an
// assigned partition and with another one for any other.
func Owns(ctx context.Context, c transport.Conn, member transport.Consumer, partition uint32) (bool, error) {
	err := c.StoreOffset(ctx, member, partition, BeyondLogs)
	switch {
	case IsInvalidOffset(err):
		return true, nil
	case IsNotOwner(err):
		return false, nil
	}
	return false, err
}

// LogEnd returns the offset after the last message of a partition; false when the topic does not
// have the partition.
func LogEnd(meta transport.Topic, partition uint32) (end uint64, ok bool) {
	for _, p := range meta.Partitions {
		if p.ID != partition {
			continue
		}
		if p.Messages == 0 && p.CurrentOffset == 0 {
			return 0, true
		}
		return p.CurrentOffset + 1, true
	}
	return 0, false
}
