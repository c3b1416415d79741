// Package deliver is what happens between the prefetch buffer and the acknowledged prefix: it gives
// messages to the application and looks after them until they are settled.
//
// A Pool is the delivery side of one consumer: its workers, or the callers of Next, and the limits
// that its partitions share. A Partition is what outlives the assignments of a partition, and a
// Queue is one assignment. A Message is one delivery.
//
// The way of a message, a type for each step:
//
//	Batch       waits in the prefetch buffer, as it was read
//	admission   has it decoded, in chunks and outside of the queue's lock
//	lanes       let the messages of one key go one at a time and in order
//	runs        give ready messages to a worker, several at once, within the in-flight limit
//	settlement  acknowledges them, or decides what a failure means
//	redelivery  has a failed message wait, outside of the in-flight limit
//	deadLetter  writes what was given up
//	assignment  has the state of each message, and finds the acknowledged prefix
//
// delivery is these parts of a queue together, and scheduler brings queues and workers together.
//
// A queue has one lock, and so has a scheduler; the queue's is taken first. Neither is held while
// code of the application runs, while something is logged, or while the owner of the queue is called:
// what is to be done then is collected in actions.
package deliver
