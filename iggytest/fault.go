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

// The kinds up to kindSlow let the request pass; of the others only one can
// strike a request.
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
)

var kindNames = [...]string{
	kindObserve: "observe", kindDo: "do", kindDelay: "delay", kindSlow: "slow", kindAnswer: "answer",
	kindGarbage: "garbage", kindSilence: "silence", kindBlackHole: "black hole", kindCut: "cut",
	kindReset: "reset", kindRefuse: "refuse",
}

func (k faultKind) passes() bool { return k <= kindSlow }

// Fault says what goes wrong, with which requests and how often. It is a value:
// each method returns a changed copy, and one Fault may be injected in several
// places. Without conditions it strikes every request, as long as it is not
// removed.
//
// A fault strikes before the request takes effect, unless AfterEffect says
// otherwise. Where requests of a connection are in flight together, a fault
// strikes when all earlier ones were answered, and later ones wait for it.
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
	cutAt  int // bytes of the frame that still pass; -1 is half of it
	do     func(Request)
}

// Observe changes nothing. It counts, and its [Injection] can be waited for.
func Observe() Fault { return Fault{kind: kindObserve} }

// Do calls f, in the connection's own goroutine: the request waits until it
// returns. With [Server.Rebalance], [Server.RemoveMembers] or [Server.Crash] inside,
// these happen at an exact request.
func Do(f func(Request)) Fault { return Fault{kind: kindDo, do: f} }

// Delay holds the request back for d, or its answer after the effect, and what
// follows on the connection with it.
func Delay(d time.Duration) Fault { return Fault{kind: kindDelay, delay: d} }

// Slow lets the request and its answer trickle through in small pieces, each
// at this number of bytes a second (at least 1).
func Slow(bytesPerSecond int) Fault { return Fault{kind: kindSlow, rate: max(bytesPerSecond, 1)} }

// Answer answers with a status in the server's place. After the effect it
// replaces the real answer. With [embedded.StatusOK] the answer has no body.
func Answer(status embedded.Status) Fault { return Fault{kind: kindAnswer, status: status} }

// Garbage gives these bytes in place of the answer, the connection stays open.
// Without bytes it gives 64 that are no answer.
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

// Silence swallows the request and all that the client sends later on this
// connection, which stays open: a server that hangs. After the effect it is the
// answers that are swallowed, from this one on, while requests still reach the
// server.
func Silence() Fault { return Fault{kind: kindSilence} }

// BlackHole lets nothing through any more on this connection, in neither
// direction, from this request (or after the effect, this answer) on: not even
// the end of the connection. Each side believes in the other until it gives up
// by itself; the server keeps a group member that is long gone. It ends with
// CutConnections or with the test.
func BlackHole() Fault { return Fault{kind: kindBlackHole} }

// Cut closes the connection in the place of the request; after the effect, in
// the place of the answer, which is then lost. What was answered before
// arrives.
func Cut() Fault { return Fault{kind: kindCut} }

// CutAfter is Cut when n bytes of the request's frame have passed, or after the
// effect n bytes of the answer's. A frame of up to n bytes passes whole, and is
// followed by the cut.
func CutAfter(n int) Fault { return Fault{kind: kindCut, cutAt: max(n, 0)} }

// HalfFrame is Cut in the middle of the request's frame, or after the effect,
// of the answer's.
func HalfFrame() Fault { return Fault{kind: kindCut, cutAt: -1} }

// Reset is Cut with a TCP reset: the other side sees an error in place of an
// end, and may lose answers that it has not read yet.
func Reset() Fault { return Fault{kind: kindReset} }

// Refuse resets a new connection as soon as it is accepted. On, AfterEffect and
// the request's command mean nothing here; When sees the connection's number.
// To have the operating system refuse connections, use StopListening.
func Refuse() Fault { return Fault{kind: kindRefuse} }

// On limits the fault to these commands.
func (f Fault) On(commands ...embedded.Command) Fault {
	f.commands = append(slices.Clone(f.commands), commands...)
	return f
}

// When limits the fault to requests for which match says so, in addition to all
// other conditions. It is called for several connections at once.
func (f Fault) When(match func(Request) bool) Fault {
	f.when = append(slices.Clone(f.when), match)
	return f
}

// AfterEffect lets the fault strike when the request has taken effect and its
// answer is about to leave.
func (f Fault) AfterEffect() Fault {
	f.after = true
	return f
}

// Skip lets the first n matching requests pass.
func (f Fault) Skip(n int) Fault {
	f.skip = n
	return f
}

// Times ends the fault when it has struck n times; 0 means never.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// Chance lets the fault strike a matching request with the probability p,
// drawn from a generator with this seed. The sequence of draws is the same for
// the same seed; which request gets which draw is the same only while requests
// come in the same order.
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
	case f.kind == kindDelay:
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
