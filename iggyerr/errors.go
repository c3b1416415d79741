package iggyerr

import (
	"errors"
	"fmt"
)

// The sentinel errors. The errors that wrap them name the object.
var (
	// ErrClosed is returned by calls on a stopped component. It is the cause of the contexts that
	// Stop cancels.
	ErrClosed = errors.New("iggy: client closed")

	// ErrNotConnected is returned when there was no connection in time. The request was not sent.
	ErrNotConnected = errors.New("iggy: not connected")

	// ErrCredentials is returned when the server refuses the name, the password or the token. It is
	// not retryable.
	ErrCredentials = errors.New("iggy: credentials refused")

	// ErrTLS is returned when the TLS handshake fails: the server's certificate is not trusted or
	// belongs to another name, or the server refuses the client's certificate, its absence or every
	// version and cipher that the client offers. It is not retryable.
	ErrTLS = errors.New("iggy: no TLS connection")

	// ErrProtocol is returned when the peer's answer is not one of Iggy 0.8: another version of the
	// protocol, another service, or a damaged stream of bytes.
	ErrProtocol = errors.New("iggy: the peer does not speak the Iggy 0.8 protocol")

	// ErrLeader is returned when there is no connection to the leader of a cluster: it can't be
	// reached, advertises an address that nobody can dial, is not named, or the servers name each
	// other in a loop.
	ErrLeader = errors.New("iggy: not connected to the leader of the cluster")

	// ErrEmptyPayload is returned for a message without a payload, which the server refuses.
	ErrEmptyPayload = errors.New("iggy: empty payload")

	// ErrTooLarge is returned for a message that exceeds a limit of the server or of the
	// configuration. Such a message is not buffered.
	ErrTooLarge = errors.New("iggy: message too large")

	// ErrBufferFull is returned for a message when the producer's buffer is at one of its limits
	// and when_full is fail.
	ErrBufferFull = errors.New("iggy: producer's buffer is full")

	// ErrDeliveryTimeout is returned for a message that was not confirmed within the producer's
	// delivery_timeout.
	ErrDeliveryTimeout = errors.New("iggy: not confirmed within the delivery timeout")

	// ErrNotFound is matched by the statuses for a missing stream, topic, partition or group.
	ErrNotFound = errors.New("iggy: not found")

	// ErrNotMember is matched by StatusNotMember: this connection is not, or no longer, a member of
	// the consumer group.
	ErrNotMember = errors.New("iggy: not a member of the consumer group")

	// ErrNotOwner is matched by StatusNotOwner: the partition is not, or no longer, assigned to
	// this member of the group.
	ErrNotOwner = errors.New("iggy: partition not owned by this member")

	// ErrPanic is matched by every PanicError.
	ErrPanic = errors.New("iggy: panic")
)

// MaxPayloadBytes is the largest size of a payload in bytes; the smallest is 1. It is the limit of
// the official Go SDK v0.8.0, so that every client can read the message; the server 0.8.0 accepts
// 64,000,000 bytes.
const MaxPayloadBytes = 10_000_000

// MaxHeaderBytes is the largest encoded size of a message's user headers in bytes. Keys and values
// have 1 to 255 bytes each.
const MaxHeaderBytes = 100_000

// ConnError is the error of a call that got no answer from the server: the connection could not be
// made, broke, stalled or was closed.
type ConnError struct {
	// Op is the command, "send" for example.
	Op string
	// Addr is the server's host:port.
	Addr string
	// Sent reports whether the server may have received the complete request. When it is false, the
	// request had no effect; when it is true, its effect is unknown.
	Sent bool
	// Err is the cause: a network error, or the cause of a context.
	Err error
}

// Error returns the command, the address and the cause.
func (e *ConnError) Error() string {
	return fmt.Sprintf("iggy: %s to %s: %v", e.Op, e.Addr, e.Err)
}

// Unwrap returns the cause.
func (e *ConnError) Unwrap() error { return e.Err }

// PanicError is a recovered panic, or a runtime.Goexit, of a function of the application. It
// matches ErrPanic.
type PanicError struct {
	// Value is the argument of panic.
	Value any
	// Stack is the stack of the goroutine as formatted by debug.Stack.
	Stack []byte
}

// Error returns the value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("iggy: panic: %v\n%s", e.Value, e.Stack)
}

// Unwrap returns the panic's value when that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Is reports whether target is ErrPanic.
func (e *PanicError) Is(target error) bool { return target == ErrPanic }
