package consumer

import (
	"sync/atomic"
)

// history is what a consumer remembers of a partition across assignments. Except for orphans and
// orphanedInFlight it belongs to the present assignment and is guarded by its lock.
type history struct {
	// orphans counts handlers of earlier assignments that have not returned, and orphaned deliveries.
	// While there are any, no message of the partition is delivered: it might be one of those.
	orphans          atomic.Int64
	orphanedInFlight int // orphaned deliveries; guarded by the lock of the in-flight quota

	dedup *dedup
	// committed is the offset that this consumer stored last, or found stored.
	committed    uint64
	hasCommitted bool
	// next is the offset after the acknowledged prefix, and timestamp the server's time of the message
	// before it; 0: not known. What was acknowledged and not committed before a connection ended is
	// not delivered again if the log is still the same.
	next      uint64
	hasNext   bool
	timestamp uint64
	// logTruncated tells that the log was truncated, and that the stored offset means nothing until
	// another one is stored.
	logTruncated bool
	// handledBefore are the messages before the first message that was ever delivered here: others of
	// its time, with lower offsets. Its timestamp is 0 when there was none.
	handledBefore skipRange
	// unreadablePlusOne is the offset, plus one, of a message that the server gives neither by its
	// offset nor by its time; 0: none.
	unreadablePlusOne atomic.Uint64
	// averageSize estimates the bytes of a message. maxCount is the largest number of messages that a
	// poll asks for: it falls when an answer does not come in time, and doubles with each that does.
	averageSize int
	maxCount    int
}

// initialAverage is the assumed size of a message before one was read.
const initialAverage = 1 << 10

func newHistory(dedupWindow, batchSize int) *history {
	return &history{dedup: newDedup(dedupWindow), averageSize: initialAverage, maxCount: batchSize}
}
