// Package encoding compresses the payloads of messages and decompresses them. The message's
// content-encoding header names the compression, so a reader needs no configuration, and topics may
// change their compression while they are in use.
package encoding
