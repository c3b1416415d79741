// Package wire knows the bytes of stored messages in Iggy 0.8: their header,
// their user headers, batches of them, and the hash that deals keys to
// partitions. Both transports and the producer share it. All numbers are
// little endian; sources are recorded exchanges with the server 0.8.0.
package wire
