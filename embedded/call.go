package embedded

import (
	"net"
	"time"
)

// Stage says when an [Interceptor] is called.
type Stage uint8

// An interceptor is called twice for each request.
const (
	// Before is the call before the request takes effect, also when it will be refused.
	Before Stage = iota
	// After is the call after the effect and before the answer leaves.
	After
)

// Call is a request as an [Interceptor] sees it.
type Call struct {
	// Conn is the number of the connection, counted from 1 in the order of arrival.
	Conn uint64
	// Remote is the client's address.
	Remote net.Addr
	// Request is the number of the request on its connection, counted from 1.
	Request uint64
	// Command is the request's code, also an unknown one.
	Command Command
	// Body is the request's body. It must not be changed and not be kept after the interceptor has returned. It is nil
	// for a send that is refused before its body is read (the connection is not logged in).
	Body []byte
	// Stage is when the interceptor is called.
	Stage Stage
	// Status is the status about to be answered, at the stage [After].
	Status Status
}

// Interceptor decides what becomes of a request. It runs in the goroutine of the connection, for many connections at
// once, and must not block: a delay is an [Action].
type Interceptor func(*Call) Action

type actionKind uint8

const (
	actPass actionKind = iota
	actAnswer
	actSilence
	actCut
	actHalf
	actRaw
)

// Action is what an [Interceptor] asks for. The zero Action lets the request pass. Actions at [Before] that do not pass
// leave the request without effect.
type Action struct {
	kind   actionKind
	delay  time.Duration
	status Status
	raw    []byte
	cut    bool
}

// Pass lets the request go on.
func Pass() Action { return Action{} }

// Answer gives this status in place of the real answer. With [StatusOK] the answer has no body.
func Answer(status Status) Action { return Action{kind: actAnswer, status: status} }

// Delay lets the request go on after d. Stopping the server or losing the connection ends the wait.
func Delay(d time.Duration) Action { return Action{delay: d} }

// Silence never answers. Later requests on the connection are not looked at either; the connection stays open until the
// client or the server closes it.
func Silence() Action { return Action{kind: actSilence} }

// Cut closes the connection without an answer (with a reset, so that no one takes it for a proper end). At [After], the
// request has taken effect: the answer is lost.
func Cut() Action { return Action{kind: actCut} }

// HalfAnswer sends the first half of the answer's frame and then closes the connection. At [Before] the frame is that
// of an empty success.
func HalfAnswer() Action { return Action{kind: actHalf} }

// Raw sends these bytes in place of the answer's frame, and then closes the connection when cut is true.
func Raw(frame []byte, cut bool) Action { return Action{kind: actRaw, raw: frame, cut: cut} }

// After returns the same action, taken after a delay.
func (a Action) After(d time.Duration) Action {
	a.delay = d
	return a
}
