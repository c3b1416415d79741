// Package health reports whether a service works: components register checkers, and a Handler
// answers the probes of an orchestrator.
//
// A service is live while its process runs, whatever its dependencies do: a restart would not
// repair them. It is ready while all its components are up.
package health
