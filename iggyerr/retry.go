package iggyerr

import (
	"context"
	"crypto/tls"
	"errors"
)

// IsRetryable is the one place that decides whether the same call may succeed
// when it is made again: after a broken or missing connection, and after
// statuses that speak of the server's state rather than of the request.
//
// A context that was cancelled, a refused credential or certificate, a foreign protocol, a closed
// client and anything unknown are not retryable.
func IsRetryable(err error) bool {
	switch {
	case err == nil,
		errors.Is(err, context.Canceled),
		errors.Is(err, ErrClosed),
		errors.Is(err, ErrCredentials),
		errors.Is(err, ErrTLS),
		errors.Is(err, ErrProtocol),
		errors.Is(err, ErrPanic):
		return false
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return false
	}
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status.retryable()
	}
	if errors.Is(err, ErrNotConnected) {
		return true
	}
	var conn *ConnError
	return errors.As(err, &conn)
}

// MayHaveEffect tells whether a failed call may have taken effect on the
// server all the same: its answer was lost, or the server itself could not
// say. When it is false the call surely changed nothing.
func MayHaveEffect(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status.ambiguous()
	}
	var conn *ConnError
	return errors.As(err, &conn) && conn.Sent
}

// BreaksConnection tells whether a connection that gave this error must be
// thrown away: it is out of step with the server, or the server has forgotten
// who speaks on it. Sources: the answers 30 and 40 to a send leave the
// request's body unread (measured on Iggy 0.8.0); 8 is the last that a server
// says which is being stopped.
func BreaksConnection(err error) bool {
	if errors.Is(err, ErrProtocol) || errors.Is(err, ErrPanic) {
		return true
	}
	var status *StatusError
	if errors.As(err, &status) {
		switch status.Status {
		case StatusDisconnected, StatusStaleClient, StatusUnauthenticated:
			return true
		}
		return false
	}
	var conn *ConnError
	return errors.As(err, &conn)
}

func (s Status) retryable() bool {
	switch s {
	case StatusGeneric, StatusDisconnected, StatusStaleClient, StatusUnauthenticated,
		31, 206, // TCP error, connection closed
		3009,                         // topic full: retention may make room
		4001, 4006, 4007, 4008, 4010, // segment closed, cannot save or append
		11000, 11001, 12001, 13000: // shard not found or not answering, task time-out, I/O error
		return true
	}
	return false
}

// ambiguous statuses are those that a part of the server gives about another
// part's work: a shard that did not answer may still do what it was asked.
func (s Status) ambiguous() bool {
	switch s {
	case StatusGeneric, 4006, 4007, 4008, 4010, 11001, 12001, 13000:
		return true
	}
	return false
}
