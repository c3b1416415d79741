// Package coalesce has the longer waits of a process end together. It has no state.
//
// Waking an idle process costs more than what it does then (measured: 0.2 ms of CPU time for
// nothing, 0.3 ms for one request or for several), so waits of 50 ms and more end on a common grid.
package coalesce

import (
	"math/rand/v2"
	"time"
)

// grid is the interval of the moments at which waits end.
const grid = 50 * time.Millisecond

// phase keeps the grids of different processes apart.
var phase = rand.N(grid)

// Delay returns wait, shortened so that it ends on the grid. Waits shorter than the grid are
// returned unchanged.
func Delay(wait time.Duration) time.Duration {
	if wait < grid {
		return wait
	}
	into := (time.Duration(time.Now().UnixNano()) + phase) % grid
	return (into + wait).Truncate(grid) - into
}
