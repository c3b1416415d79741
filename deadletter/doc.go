// Package deadletter stores the messages that consumers give up in topics of their own, and publishes
// them again.
//
// A dead letter is the message byte for byte, with its id and all of its user headers. Headers before
// these say where it was read and why it failed. So it can hold a message of any topic, also one that
// can't be decoded or decompressed. New returns the sink for a consumer, TopicOf the topic of the dead
// letters of a consumer group, and Replay publishes a message to where it came from.
package deadletter
