// Package worker does download tasks: it fetches the resource, stores it, says so in the
// job's log and status, and only then lets the task be acknowledged. A task that
// comes again, after a crash or because a partition moved, finds what was done before.
package worker
