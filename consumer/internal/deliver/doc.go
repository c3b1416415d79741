// Package deliver delivers messages to the application: it owns a partition's messages from the
// prefetch buffer to their acknowledgement. It knows no transport: fetch offers batches to a Queue,
// and the queue tells the acknowledged prefix to Progress and everything else to its Owner.
//
// A Pool is the delivery side of one consumer: its workers, or the callers of Next, and the limits
// that its partitions share. A Partition is what outlives the assignments of a partition, a Queue
// is one assignment, and a Message is one delivery. The steps of a message, with a type for each:
//
//	Batch       is the messages of one poll, in the prefetch buffer (memory.go)
//	admission   has messages decoded, in chunks and without the queue's lock
//	lanes       deliver the messages of one key one at a time and in order
//	runs        take ready messages for a worker, several at once, within the in-flight limit
//	settlement  acknowledges messages, or decides what a failure means
//	redelivery  has a failed message wait, outside of the in-flight limit
//	transfer    writes dead letters and parked messages
//	assignment  has the state of each message, and computes the acknowledged prefix
//
// delivery is these parts of a queue together, and scheduler assigns queues to workers.
//
// A queue has one lock, and so have the scheduler and the suspension of a pool; the queue's is
// taken first. None is held while code of the application runs, while something is logged, or while
// the owner of the queue is called: what has to be done then is collected in actions.
package deliver
