// Package progress publishes the progress of jobs.
//
// Several workers process the tasks of one job, tasks are redelivered, and each worker may crash at
// any point. Counting events would count some twice. Instead the store holds a file for each
// finished resource (the resource, or its failure), and a JobStatus holds the numbers of these
// files. A worker first writes the file, then reports the job, then acknowledges the task:
//
//   - A redelivered task does not change the numbers.
//   - A worker that crashes has not acknowledged the task. The redelivered task is found to be done
//     and is reported.
//   - After publishing a status, a worker counts again. It publishes another status when the
//     numbers have changed. The last status of a job in the topic is therefore the final one, even
//     if a worker was slow to publish an earlier one: this worker counts again afterwards, and a
//     worker that finishes a resource after that count publishes a status of its own.
//
// A consumer of jobs.status can therefore rely on the last message of a job. A consumer that must
// not see numbers decrease uses the status with the most finished resources.
package progress
