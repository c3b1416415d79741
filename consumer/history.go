package consumer

import (
	"sync/atomic"
)

// memory is what a consumer remembers of a partition over its ownerships. But
// for ghosts and haunted it belongs to the present one and is guarded by its lock.
type history struct {
	// ghosts counts handlers of former ownerships that have not returned, and
	// messages of theirs that are still with the application. While
	// there are any, no message of the partition is handed out: it might be
	// one of those.
	orphans atomic.Int64

	orphanedInFlight int // messages among them; guarded by the lock of the in-flight quota

	dedup *dedup
	// committed is the offset that this consumer stored last, or found stored.
	committed    uint64
	hasCommitted bool
	// next is the offset after the prefix that was acknowledged here, and stamp
	// the server's time of the message before it; 0: not known. What was
	// acknowledged and not committed before a connection ended is not
	// delivered again, if the log is still the same.
	next      uint64
	hasNext   bool
	timestamp uint64
	// stray tells that the log was cut and what is stored means nothing, until
	// something is stored anew.
	logTruncated bool
	// before is what lies before the first message that was ever taken into the window
	// here: others of its time, with lower offsets. Its stamp is 0 while there was none.
	handledBefore skipRange
	// hopeless is the offset after one whose answer by time could not be understood.
	unreadablePlusOne atomic.Uint64
	// averageSize estimates a message's bytes; ceiling is the most messages that a poll asks
	// for. It falls to one when an answer does not come in time,
	// and doubles with each that does.
	averageSize int
	maxCount    int
}

// initialAverage is the guess for a message's bytes before one was seen.
const initialAverage = 1 << 10

func newHistory(dedupWindow, batchSize int) *history {
	return &history{dedup: newDedup(dedupWindow), averageSize: initialAverage, maxCount: batchSize}
}
