// Package store is the storage that all roles of the example share: downloaded resources,
// manifests, failures, and the states and logs of jobs. Here it is a directory. In production it
// would be an object store and a database.
//
// A file is written under a temporary name, synced and renamed, so that a reader never sees an
// incomplete file. Files of JSON lines grow by whole lines. Everything written survives a crash. No
// operation reads a file and writes it back, so that several processes can use one directory at the
// same time. A file that can't be read, since it is truncated or foreign, is moved to damaged and counts
// as missing.
//
//	resources/{job_type}/{job_id}/{resource_id}       a downloaded resource
//	failures/{job_type}/{job_id}/{resource_id}        why the download of a resource failed for good
//	manifests/{job_type}/{job_id}.json                the submitted manifest
//	canceled/{job_type}/{job_id}.json                 the job is canceled
//	keys/{idempotency_key}.json                       the job that was submitted with an idempotency key
//	ledger/{job_id}.jsonl                             the states of a job
//	logs/{job_id}.jsonl                               the log of a job
//	damaged/                                          files that could not be read
//	tmp/                                              files that are being written
package store
