// Package jobs publishes FetchBox's messages: it declares the four topics jobs.tasks, jobs.status,
// jobs.logs and jobs.dlq, a Publisher for them, and how a dead letter is made. The messages are in
// package jobspb, which is generated from proto/jobs.proto.
package jobs
