package consumer

import (
	"math/rand/v2"
	"time"
)

// timerGrid is the grid on which the longer waits of all consumers of a process end. To wake an
// idle process costs more than what it does then (measured: 0.2 ms of CPU time for nothing, 0.3 ms
// for one request or for several), so it is woken for everything at once.
const timerGrid = 50 * time.Millisecond

// gridOffset sets the processes of a service apart.
var gridOffset = rand.N(timerGrid)

// coalesce returns wait, shortened so that it ends on the timer grid. Waits shorter than the grid's
// step stay as they are.
func coalesce(wait time.Duration) time.Duration {
	if wait < timerGrid {
		return wait
	}
	into := (time.Duration(time.Now().UnixNano()) + gridOffset) % timerGrid
	return (into + wait).Truncate(timerGrid) - into
}
