// Package iggytest is for tests of services that use Iggy: a server and a fault-injecting proxy
// that end with the test.
//
// [NewServer] starts an embedded server behind a proxy. [NewProxy] starts a proxy in front of any
// server, also a real one. Both take the same faults with Inject:
//
//	srv := iggytest.NewServer(t)
//	lost := srv.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages).Times(1))
//	// ... a service publishes to srv.Endpoint() ...
//	lost.Wait(1) // the answer to its first send was lost; the message was stored
//
// A [Fault] says what happens, to which requests, before or after they take effect, and how often.
// Methods of [Server] and [Proxy] act at once: CutConnections, StopListening, Rebalance,
// RemoveMembers, Crash. [Do] runs them at a request.
//
// All methods may be called concurrently, except for those that can fail the test (they say so),
// which must be called in the test's own goroutine.
package iggytest
