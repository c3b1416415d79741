// Package producer sends messages to Iggy in batches. It keeps the messages of a key in order over
// retries, and gives every message exactly one outcome: confirmed, failed (surely not stored) or
// unknown (sent, but the answer was lost).
//
// A Producer serves any number of topics. Each message is encoded once, into the open batch of its
// partition, and every attempt sends the same bytes. While a partition's request is in flight, the
// partition's next batch fills, so batches grow when the server is slow, and a message leaves at
// once when nothing is in flight. Requests for different partitions are in flight together. A
// partition has at most one request in flight, which keeps the order over retries.
//
// Publisher is the typed view of a Producer: it encodes the messages of one topic.Topic.
package producer
