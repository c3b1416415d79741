// Package progress publishes how far jobs have come.
//
// Several workers finish the resources of one job, tasks come more than once, and
// any of it may crash in between. So nobody counts events. A finished
// resource is a fact in the store (the file, or the note that it was given up), and
// a JobStatus holds what is counted there. A worker stores the fact first, then
// reports, then acknowledges the task:
//
//   - A task that comes again changes no number.
//   - A worker that dies in between has acknowledged nothing; the task comes again,
//     is found to be done, and is reported.
//   - After each status a worker counts again, and publishes again when the numbers have
//     changed meanwhile. So the last status of a job in the topic is the final one,
//     however slow a worker was to publish an earlier one: whoever published it
//     counts once more afterwards, and whoever finished a resource after that count
//     reports by itself.
//
// A consumer of jobs.status may thus take the last record for the truth, and one that
// never wants to see a number fall takes the one with most finished resources.
package progress
