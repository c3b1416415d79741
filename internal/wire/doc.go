// Package wire encodes and decodes stored messages in Iggy 0.8: their header, their user headers,
// batches of them, and the hash that maps keys to partitions. Both transports and the producer use
// it. All numbers are little endian. The layouts are from recorded exchanges with the server 0.8.0.
package wire
