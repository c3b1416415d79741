// Package store is the place that all roles of the example share: the fetched
// resources, the manifests, and what the ledger and the workers know about each job.
// It is a directory here; in production it would be an object store and a
// database.
//
// Files are written under a temporary name, synced and renamed, so that no reader ever
// sees half of one; files of lines are appended to, a whole line at a time. Whatever
// was written outlives a crash. Nothing is read and then written back: several
// processes may use one directory at the same time.
//
//	resources/{job_type}/{job_id}/{resource_id}       the bytes that were fetched
//	failures/{job_type}/{job_id}/{resource_id}        why a resource was given up
//	manifests/{job_type}/{job_id}.json                what was accepted, and how many resources it has
//	abandoned/{job_type}/{job_id}.json                the job was refused after all
//	ledger/{job_id}.jsonl                             the states of a job
//	logs/{job_id}.jsonl                               the log of a job
package store
