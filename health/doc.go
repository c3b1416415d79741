// Package health tells whether a service works: components register checkers,
// and a Handler answers the probes of an orchestrator and of people.
//
// A service is live while its process runs, whatever its dependencies do: to
// restart it would not bring a server back. It is ready while all its components are up.
package health
