// Package park defines the form of parked messages, and how long they stay in a partition of their
// topic.
//
// A parked message waits for its next delivery in a topic of its own. A consumer reads the partitions
// of that topic in order, so the first message of a partition must not wait longer than those behind
// it. Therefore each partition has a delay, which is twice that of the partition before it: a
// message goes to the partition with the longest delay that is not longer than its wait, leaves that
// partition after this delay, and goes to another one for the rest.
package park

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/origin"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The user headers of a parked message, after those with its origin.
const (
	// headerDue is when the next delivery is due, in RFC 3339.
	headerDue = "parked-due"
	// headerCopies is how many copies of the message were parked before this one, in decimal.
	headerCopies = "parked-copies"
	// headerAttempts is how many deliveries of the message have failed, in decimal. It is the last of
	// these headers, and there always is one.
	headerAttempts = "parked-attempts"
)

// keys are the keys of the headers that describe a parked message; the last one is always there.
var keys = append(origin.Keys(), headerDue, headerCopies, headerAttempts)

// Message is what a parked message says about itself.
type Message struct {
	// Origin is where the message was read before it was parked for the first time.
	Origin topic.Origin
	// Due is when the next delivery is due.
	Due time.Time
	// Attempts is how many deliveries have failed.
	Attempts int
	// Copies is how many copies of the message were parked before this one.
	Copies int
}

// Parse returns what a parked message says about itself, and the encoded headers that it had before;
// false for a message that is not a parked one.
func Parse(headers []byte) (m Message, own []byte, ok bool) {
	values, own := origin.Split(headers, keys)
	m.Origin, ok = origin.Parse(values)
	if m.Due = origin.ParseTime(values[headerDue]); !ok || m.Due.IsZero() {
		return Message{}, nil, false
	}
	m.Attempts, _ = strconv.Atoi(values[headerAttempts])
	m.Copies, _ = strconv.Atoi(values[headerCopies])
	return m, own, true
}

// Headers returns the encoded headers of a parked message that has the headers own otherwise.
func (m Message) Headers(own []byte) []byte {
	headers := origin.Describe(m.Origin)
	headers = origin.Append(headers, headerDue, origin.FormatTime(m.Due))
	headers = origin.Append(headers, headerCopies, strconv.Itoa(m.Copies))
	headers = origin.Append(headers, headerAttempts, strconv.Itoa(m.Attempts))
	return slices.Concat(origin.Encode(headers), own)
}

// ID returns the id with which the message is stored. It is the same for each attempt to store it, and
// another one for each copy: a consumer that drops duplicates must drop none of them. The due time tells
// the copies of a message that is read again on purpose, after a reset of the offset, from former ones.
func (m Message) ID() [16]byte {
	o := m.Origin
	return origin.ID(fmt.Sprintf("parked copy %d after %d attempts of %s/%s/%d/%d/%x by %s, due %s",
		m.Copies, m.Attempts, o.Stream, o.Topic, o.Partition, o.Offset, o.ID, o.Group, origin.FormatTime(m.Due)))
}

// maxDelay is the longest delay of a partition. Package config demands twice as much retention, so that
// no message expires while it waits.
const maxDelay = 24 * time.Hour

// Delays are the delays of the partitions of a topic of parked messages.
type Delays struct {
	// First is the delay of the first partition.
	First time.Duration
	// Partitions is the number of partitions, at least 1.
	Partitions uint32
}

// Of returns the delay of a partition.
func (d Delays) Of(partition uint32) time.Duration {
	delay := d.First
	for range min(partition, d.Partitions-1) {
		if delay >= maxDelay {
			break
		}
		delay = min(2*delay, maxDelay)
	}
	return delay
}

// Partition returns the partition for a message that has to wait that long.
func (d Delays) Partition(wait time.Duration) uint32 {
	partition := uint32(0)
	for partition+1 < d.Partitions && d.Of(partition+1) > d.Of(partition) && d.Of(partition+1) <= wait {
		partition++
	}
	return partition
}

// Leave returns when a message leaves the partition in which it was stored.
func (d Delays) Leave(m Message, partition uint32, stored time.Time) time.Time {
	if leave := stored.Add(d.Of(partition)); leave.Before(m.Due) {
		return leave
	}
	return m.Due
}
