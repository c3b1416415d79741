// Package download fetches resources over HTTP, bounded in size and time. Its errors tell which
// failures are worth a retry.
package download
