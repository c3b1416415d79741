package deadletter

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/origin"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Letter is a dead letter that a Sink has written.
type Letter struct {
	// Origin is where the message was read, and by which consumer group.
	Origin topic.Origin
	// Code is the failure code, and Cause the beginning of the error, at most 255 bytes.
	Code, Cause string
	// Attempts is the number of deliveries to the handler; 0 when the message could not be decoded.
	Attempts int
	// FailedAt is when the message was given up, in UTC, by the clock of the consumer.
	FailedAt time.Time
	// Message is the message as it was stored at its origin.
	Message topic.RawMessage
	// Incomplete says what Message lacks, since the dead letter had no room for it; empty when it
	// lacks nothing. Such a message is not replayed.
	Incomplete string
	// Position is where the dead letter is stored: TOPIC/PARTITION/OFFSET.
	Position string
}

// Identity identifies the failure of a message in a consumer group. Several dead letters of one
// failure, which a crash may leave, have one identity. ReplayID makes ids of it, so its text is the
// same in all versions of this library.
func Identity(o topic.Origin) string {
	return fmt.Sprintf("%s/%s/%d/%d/%x by %s", o.Stream, o.Topic, o.Partition, o.Offset, o.ID, o.Group)
}

// parse returns the dead letter that m is.
func parse(m topic.RawMessage) (Letter, error) {
	values, own := origin.Split(m.Headers, keys)
	from, ok := origin.Parse(values)
	if !ok {
		return Letter{}, fmt.Errorf("deadletter: %s/%s/%d/%d is not a dead letter of this library", m.Stream, m.Topic, m.Partition, m.Offset)
	}
	l := Letter{
		Origin: from, Code: values[headerFailureCode], Cause: values[headerFailureCause], FailedAt: origin.ParseTime(values[headerFailureTimestamp]),
		Position: fmt.Sprintf("%s/%d/%d", m.Topic, m.Partition, m.Offset),
	}
	l.Attempts, _ = strconv.Atoi(values[headerFailureAttempts])
	l.Message = topic.RawMessage{
		Stream: from.Stream, Topic: from.Topic, Partition: from.Partition, Offset: from.Offset, Key: values[headerOriginKey],
		ID: from.ID, Timestamp: from.Timestamp, OriginTimestamp: m.OriginTimestamp,
		Payload: bytes.Clone(m.Payload), Headers: append([]byte(nil), own...),
	}
	var lacks []string
	switch size, cut := values[HeaderPayloadBytes]; {
	case cut && size == "0":
		l.Message.Payload = nil
		lacks = append(lacks, "the payload is empty, which the server does not accept")
	case cut:
		lacks = append(lacks, fmt.Sprintf("the payload has %d of %s bytes", len(m.Payload), size))
	}
	if n, ok := values[headerOmitted]; ok {
		lacks = append(lacks, "headers omitted: "+n)
	}
	l.Incomplete = strings.Join(lacks, ", ")
	return l, nil
}
