// Package encoding compresses the payloads of messages and undoes it. How a
// payload was compressed stands in the message's content-encoding header, so a
// reader needs no configuration, and topics may change their compression while
// they are in use.
package encoding
