package iggyerr

import (
	"errors"
	"fmt"
)

// Sentinels. They carry no detail; the errors that wrap them name the object.
var (
	// ErrClosed is returned by calls on a component that was stopped, and is
	// the cause of contexts that a stopping component cancels.
	ErrClosed = errors.New("iggy: client closed")

	// ErrNotConnected is returned when no connection could be had in time. The
	// request was surely not sent.
	ErrNotConnected = errors.New("iggy: not connected")

	// ErrCredentials is returned when the server refuses the name, the
	// password or the token. Retrying with the same ones is useless.
	ErrCredentials = errors.New("iggy: credentials refused")

	// ErrTLS is returned when the two ends can't agree on an encrypted
	// connection: the server's certificate is not trusted or is that of another
	// name, or the server refuses the client's certificate, its lack, or every version and
	// cipher that it is offered. Retrying with the same configuration is useless.
	ErrTLS = errors.New("iggy: no TLS connection")

	// ErrProtocol is returned when the peer's bytes are not an Iggy 0.8
	// answer: another protocol version, another service, or a damaged stream.
	ErrProtocol = errors.New("iggy: the peer does not speak the Iggy 0.8 protocol")

	// ErrEmptyPayload is returned for a message without a payload: the server
	// accepts 1 to MaxPayloadBytes bytes.
	ErrEmptyPayload = errors.New("iggy: empty payload")

	// ErrTooLarge is returned for a message that exceeds a limit of the server
	// or of the configuration. It is refused before it is buffered.
	ErrTooLarge = errors.New("iggy: message too large")

	// ErrBufferFull is returned for a message that finds the producer's buffer at
	// one of its ceilings, when the producer is configured to fail then.
	ErrBufferFull = errors.New("iggy: producer's buffer is full")

	// ErrDeliveryTimeout is the cause with which a message fails that could not
	// be confirmed within the producer's delivery timeout.
	ErrDeliveryTimeout = errors.New("iggy: not confirmed within the delivery timeout")

	// ErrNotFound is matched by every status that says that a stream, a topic,
	// a partition or a group does not exist.
	ErrNotFound = errors.New("iggy: not found")

	// ErrNotMember is matched by the status 5006: this connection is not a
	// member of the consumer group (any more).
	ErrNotMember = errors.New("iggy: not a member of the consumer group")

	// ErrNotOwner is matched by the status 3022: the partition is not (any
	// more) dealt to this member of the group.
	ErrNotOwner = errors.New("iggy: partition not owned by this member")

	// ErrPanic is matched by errors made of a recovered panic; the text holds
	// the stack.
	ErrPanic = errors.New("iggy: panic")
)

// MaxPayloadBytes is the largest payload that is sent, in bytes; the smallest
// is 1 byte. It is the limit of the official Go SDK v0.8.0, so that every client can
// read what this one writes; the server 0.8.0 itself accepts 64,000,000 bytes.
const MaxPayloadBytes = 10_000_000

// MaxHeaderBytes is the largest encoded size of a message's user headers, in
// bytes. Keys and values have 1 to 255 bytes each.
const MaxHeaderBytes = 100_000

// ConnError says that a call ended without an answer of the server: the
// connection could not be made, broke, stalled or was given up.
type ConnError struct {
	// Op is the command that was under way, "send" for example.
	Op string
	// Addr is the server's host:port.
	Addr string
	// Sent tells whether the request may have reached the server whole. When
	// it is false the request surely had no effect; when it is true nobody
	// can tell.
	Sent bool
	// Err is the cause: a network error, or a context's cause.
	Err error
}

// Error names the command, the address and the cause.
func (e *ConnError) Error() string {
	return fmt.Sprintf("iggy: %s to %s: %v", e.Op, e.Addr, e.Err)
}

// Unwrap returns the cause.
func (e *ConnError) Unwrap() error { return e.Err }

// PanicError is a recovered panic with its stack. It matches ErrPanic.
type PanicError struct {
	// Value is what was passed to panic.
	Value any
	// Stack is the stack of the panicking goroutine, as debug.Stack formats it.
	Stack []byte
}

// Error holds the value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("iggy: panic: %v\n%s", e.Value, e.Stack)
}

// Unwrap returns the panic's value when that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Is reports true for ErrPanic.
func (e *PanicError) Is(target error) bool { return target == ErrPanic }
