// Package iggyerr defines the errors that callers match, and decides which errors are retryable.
//
// Match sentinels with errors.Is and detail types with errors.As. The texts of errors, and how they
// wrap each other, may change.
package iggyerr
