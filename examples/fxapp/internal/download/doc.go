// Package download fetches one resource over HTTP, bounded in size and time,
// and says which failures are worth another attempt.
package download
