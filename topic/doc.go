// Package topic describes where a type of message lives: its stream and name,
// how it is encoded, keyed and provisioned, and what becomes of a message that
// can't be handled. A Topic is a value; producers, consumers and the
// administration take everything they need to know about a topic from it.
package topic
