// Package producer sends messages to Iggy in batches, keeps the messages of a
// key in order over retries, and gives every message exactly one outcome:
// confirmed, failed (surely not stored) or unknown (sent, answer lost).
//
// A Producer serves any number of topics. Messages are encoded once, into the
// open batch of their partition, and that batch is what travels, as often as it
// must. While a partition's request is in flight its next batch fills, so
// batches are as large as the server is slow, and a message that finds nothing in
// flight leaves at once. Requests for different partitions are in flight
// together; for one partition there is one at a time, which is what keeps order
// when a request must be made again.
//
// Publisher is the typed view of a Producer: it encodes the messages of one
// topic.Topic.
package producer
