package iggytest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

type faultKind uint8

// The kinds up to kindSlow let the request pass. The last two apply to connections.
const (
	kindObserve faultKind = iota
	kindDo
	kindDelay
	kindSlow
	kindAnswer
	kindGarbage
	kindSilence
	kindBlackHole
	kindCut
	kindReset
	kindRefuse
	kindLatency
)

var kindNames = [...]string{
	kindObserve: "observe", kindDo: "do", kindDelay: "delay", kindSlow: "slow", kindAnswer: "answer",
	kindGarbage: "garbage", kindSilence: "silence", kindBlackHole: "black hole", kindCut: "cut",
	kindReset: "reset", kindRefuse: "refuse", kindLatency: "latency",
}

// passes reports whether a request with this fault is forwarded.
func (k faultKind) passes() bool { return k <= kindSlow }

// ofConnections reports whether the fault applies to connections and not to requests.
func (k faultKind) ofConnections() bool { return k >= kindRefuse }

// Fault says what happens, to which requests and how often. It is a value: each method returns a
// changed copy, and one Fault may be injected several times. Without conditions it applies to every
// request until it is removed.
//
// A fault applies before the request takes effect, unless AfterEffect says otherwise. When several
// requests of a connection are in flight, a fault that replaces one of them applies when all
// earlier ones are answered, and later ones wait for it.
type Fault struct {
	kind     faultKind
	after    bool
	commands []embedded.Command
	when     []func(Request) bool
	skip     int
	times    int // 0 means no limit
	chance   float64
	seed     uint64

	status embedded.Status
	delay  time.Duration
	rate   int
	bytes  []byte
	cutAt  int // bytes of the frame that pass; -1 is half of it
	do     func(Request)
}

// Observe changes nothing. Its [Injection] counts requests and can wait for them.
func Observe() Fault { return Fault{kind: kindObserve} }

// Do calls f in the goroutine of the connection. The request waits until f returns. f may call
// [Server.Rebalance], [Server.RemoveMembers] or [Server.Crash], which then happens at an exact
// request.
func Do(f func(Request)) Fault { return Fault{kind: kindDo, do: f} }

// Delay holds the request back for d, or after the effect its answer, and with it everything that
// follows on the connection. See [Latency] for a slow network.
func Delay(d time.Duration) Fault { return Fault{kind: kindDelay, delay: d} }

// Slow forwards the request and its answer in small pieces, each at this number of bytes a second
// (at least 1).
func Slow(bytesPerSecond int) Fault { return Fault{kind: kindSlow, rate: max(bytesPerSecond, 1)} }

// Answer answers with a status in place of the server. After the effect it replaces the answer of
// the server. With [embedded.StatusOK] the answer has no body.
func Answer(status embedded.Status) Fault { return Fault{kind: kindAnswer, status: status} }

// Garbage sends these bytes in place of the answer. The connection stays open. Without bytes it
// sends 64 that are no answer.
func Garbage(b ...byte) Fault {
	if len(b) == 0 {
		b = make([]byte, 64)
		random := rand.New(rand.NewPCG(1, 2))
		for i := 0; i < len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], random.Uint64()|1<<31|1<<63)
		}
	}
	return Fault{kind: kindGarbage, bytes: slices.Clone(b)}
}

// Silence drops the request and everything that the client sends later on this connection, which
// stays open, like a server that hangs. After the effect it drops this answer and all later ones,
// while requests still reach the server.
func Silence() Fault { return Fault{kind: kindSilence} }

// BlackHole forwards nothing more on this connection, in both directions, from this request (or
// after the effect, this answer) on, not even the end of the connection. Each side keeps the
// connection until a time-out of its own. The server keeps a group member that has disconnected. It
// ends with CutConnections or with the test.
func BlackHole() Fault { return Fault{kind: kindBlackHole} }

// Cut closes the connection in place of the request. After the effect it closes it in place of the
// answer, which is lost. Earlier answers arrive.
func Cut() Fault { return Fault{kind: kindCut} }

// CutAfter is Cut when n bytes of the request's frame have passed, or after the effect n bytes of
// the answer's. A frame of at most n bytes passes completely before the cut.
func CutAfter(n int) Fault { return Fault{kind: kindCut, cutAt: max(n, 0)} }

// HalfFrame is Cut in the middle of the request's frame, or after the effect, of the answer's.
func HalfFrame() Fault { return Fault{kind: kindCut, cutAt: -1} }

// Reset is Cut with a TCP reset. The client sees an error instead of an end, and may lose answers
// that it has not read yet.
func Reset() Fault { return Fault{kind: kindReset} }

// Refuse resets a new connection as soon as it is accepted. On and AfterEffect have no effect. When
// sees the number of the connection. StopListening makes the operating system refuse connections.
func Refuse() Fault { return Fault{kind: kindRefuse} }

// Latency delays every byte of a new connection by d in each direction, like a long network path:
// the round trip takes 2d, and any number of requests may be in flight meanwhile. Opening the
// connection takes no longer. On and AfterEffect have no effect. When sees the number of the
// connection. Several faults add up.
func Latency(d time.Duration) Fault { return Fault{kind: kindLatency, delay: d} }

// On limits the fault to these commands.
func (f Fault) On(commands ...embedded.Command) Fault {
	f.commands = append(slices.Clone(f.commands), commands...)
	return f
}

// When limits the fault to requests for which match returns true, in addition to all other
// conditions. match is called concurrently for several connections.
func (f Fault) When(match func(Request) bool) Fault {
	f.when = append(slices.Clone(f.when), match)
	return f
}

// AfterEffect applies the fault after the request has taken effect and before its answer is
// forwarded.
func (f Fault) AfterEffect() Fault {
	f.after = true
	return f
}

// Skip lets the first n matching requests pass.
func (f Fault) Skip(n int) Fault {
	f.skip = n
	return f
}

// Times ends the fault when it was applied n times. 0 means never.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// Chance applies the fault to a matching request with the probability p, drawn from a generator
// with this seed. The sequence of draws is the same for the same seed. Which request gets which
// draw is the same only when requests arrive in the same order.
func (f Fault) Chance(p float64, seed uint64) Fault {
	f.chance, f.seed = p, seed
	return f
}

// String describes the fault for the test's log.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(kindNames[f.kind])
	switch {
	case f.kind == kindAnswer:
		fmt.Fprintf(&b, " %q", f.status)
	case f.kind == kindDelay, f.kind == kindLatency:
		fmt.Fprintf(&b, " %s", f.delay)
	case f.kind == kindSlow:
		fmt.Fprintf(&b, " %d bytes/s", f.rate)
	case f.cutAt < 0:
		b.WriteString(" half")
	case f.cutAt > 0:
		fmt.Fprintf(&b, " after %d bytes", f.cutAt)
	}
	if f.after {
		b.WriteString(", after the effect")
	}
	for i, c := range f.commands {
		if i == 0 {
			b.WriteString(" of ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(c.String())
	}
	if f.chance > 0 {
		fmt.Fprintf(&b, ", chance %g, seed %d", f.chance, f.seed)
	}
	return b.String()
}

// bytesBeforeCut returns how many bytes of a frame of this size pass before a cut.
func (f Fault) bytesBeforeCut(size int) int {
	if f.cutAt < 0 {
		return size / 2
	}
	return min(f.cutAt, size)
}
