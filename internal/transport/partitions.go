package transport

import (
	"context"
	"time"
)

// PartitionReads returns an iterator for a loop that reads a topic until it has partitions. While
// another client creates a topic, the server shows it for a moment without them (measured on Iggy
// 0.8.0). So the loop runs again after growing pauses, for a second at most, or until ctx ends.
func PartitionReads(ctx context.Context) func(yield func() bool) {
	const maxPause = 500 * time.Millisecond
	return func(yield func() bool) {
		for pause := 5 * time.Millisecond; yield() && pause <= maxPause; pause *= 2 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}
}
