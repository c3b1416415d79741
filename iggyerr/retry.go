package iggyerr

import (
	"context"
	"crypto/tls"
	"errors"
)

// IsRetryable reports whether the same call may succeed when it is made again: after a broken or
// missing connection, and after statuses that are about the state of the server and not about the
// request. This function alone decides it in this module.
//
// Not retryable are a cancelled context, refused credentials, a refused certificate, another
// protocol, a panic, a closed client and every unknown error.
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

// MayHaveEffect reports whether a failed call may have taken effect on the server: its answer was
// lost, or the server itself did not know. When it is false, the call changed nothing.
func MayHaveEffect(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status.ambiguous()
	}
	var conn *ConnError
	return errors.As(err, &conn) && conn.Sent
}

// BreaksConnection reports whether a connection cannot be used after this error: requests and
// answers no longer match, or the server has ended its session.
//
// Sources, measured on Iggy 0.8.0: with the answers 30 and 40 to a send, the server leaves the body
// of the request unread; 8 is the last answer of a server that is being stopped.
func BreaksConnection(err error) bool {
	if errors.Is(err, ErrProtocol) || errors.Is(err, ErrPanic) {
		return true
	}
	var status *StatusError
	if errors.As(err, &status) {
		switch status.Status {
		case StatusDisconnected, statusStaleClient, StatusUnauthenticated:
			return true
		}
		return false
	}
	var conn *ConnError
	return errors.As(err, &conn)
}

func (s Status) retryable() bool {
	switch s {
	case StatusGeneric, StatusDisconnected, statusStaleClient, StatusUnauthenticated,
		statusTCPError, statusConnectionClosed,
		statusTopicFull, // the server's cleaner may make room
		statusSegmentClosed, statusCannotSaveMessages, statusCannotSaveIndex, statusCannotSaveTimeIndex, statusCannotAppendMessage,
		statusShardNotFound, statusShardDidNotAnswer, statusTaskTimeout, statusIOError:
		return true
	}
	return false
}

// ambiguous reports whether a command with this status may have taken effect. These are statuses of
// one part of the server about another one: a shard that did not answer in time may still execute
// the command.
func (s Status) ambiguous() bool {
	switch s {
	case StatusGeneric,
		statusCannotSaveMessages, statusCannotSaveIndex, statusCannotSaveTimeIndex, statusCannotAppendMessage,
		statusShardDidNotAnswer, statusTaskTimeout, statusIOError:
		return true
	}
	return false
}
