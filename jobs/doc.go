// Package jobs is FetchBox's messages over Iggy: the four topics jobs.tasks,
// jobs.status, jobs.logs and jobs.dlq, a Publisher for them, and what becomes a
// dead letter. The messages themselves are in package jobspb, generated from
// proto/jobs.proto.
package jobs
