// Package worker processes download tasks. A worker downloads the resource of a task, stores it,
// publishes a log entry and a job status, and then acknowledges the task. When a task is
// redelivered, after a crash or a rebalance, the worker finds the stored resource and does not
// download it again.
package worker
