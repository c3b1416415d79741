// Package iggyerr holds the errors that callers may match, and decides which
// of them are worth a retry.
//
// Match sentinels with errors.Is and detail types with errors.As. Everything
// else about an error (its text, its nesting) may change.
package iggyerr
