// Package jobs declares FetchBox's four topics: jobs.tasks, jobs.status, jobs.logs and jobs.dlq. It
// has a Publisher for them, and makes the dead letters of tasks. The messages are in package jobspb,
// which is generated from proto/jobs.proto.
package jobs
