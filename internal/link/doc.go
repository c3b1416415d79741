// Package link supervises one connection to an Iggy server: it dials, logs in, notices broken and
// stalled connections, reconnects with backoff, and reports its state. Requests run on a Session,
// which lasts as long as one connection. A membership in a group ends with its session.
package link
