// Package iggytest is for tests of services that use Iggy: a server and a
// fault-injecting proxy that live as long as a test.
//
// [NewServer] starts an embedded server. [NewProxy] stands before any server,
// a real one too. Both take the same faults by Inject:
//
//	srv := iggytest.NewServer(t)
//	lost := srv.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages).Times(1))
//	// ... a service publishes to srv.Endpoint() ...
//	lost.Wait(1) // the answer of its first send was lost; the message was stored
//
// A [Fault] says what happens, to which requests, before or after they take
// effect, and how often. Everything else are methods of [Server] and [Proxy]
// that act at once: CutConnections, StopListening, Rebalance, RemoveMembers, Crash.
// [Do] ties those to a request.
//
// All methods may be called concurrently, except for those that can fail the
// test (they say so), which belong into the test's own goroutine.
package iggytest
