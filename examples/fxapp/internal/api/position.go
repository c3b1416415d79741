package api

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// logPositions holds the next offset of each partition of the topic of log entries. Its text is the id
// of an event: partition-offset of the last entry of each partition, such as 0-7,3-12.
type logPositions map[uint32]uint64

// maxLogPartitions bounds the partitions in an id.
const maxLogPartitions = 1000

// parseLogPositions parses the id of an event. An empty id is the start of the log.
func parseLogPositions(id string) (logPositions, error) {
	seen := logPositions{}
	if id == "" {
		return seen, nil
	}
	for part := range strings.SplitSeq(id, ",") {
		partition, offset, _ := strings.Cut(part, "-")
		p, err := strconv.ParseUint(partition, 10, 32)
		if err != nil || len(seen) == maxLogPartitions {
			return nil, invalidPayload("Last-Event-ID must be an event's id")
		}
		o, err := strconv.ParseUint(offset, 10, 63)
		if err != nil {
			return nil, invalidPayload("Last-Event-ID must be an event's id")
		}
		seen[uint32(p)] = o + 1
	}
	return seen, nil
}

// add adds the position of an entry. It returns false when the entry was seen before.
func (p logPositions) add(partition uint32, offset uint64) bool {
	if offset < p[partition] {
		return false
	}
	p[partition] = offset + 1
	return true
}

// String returns the id of the last event.
func (p logPositions) String() string {
	parts := make([]string, 0, len(p))
	for _, partition := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, fmt.Sprintf("%d-%d", partition, p[partition]-1))
	}
	return strings.Join(parts, ",")
}
