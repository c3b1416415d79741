// Package link supervises one connection to an Iggy server: it dials, logs in,
// notices breaks and stalls, backs off, and says how it is. What is done on a
// connection belongs to a Session; a membership in a group ends with it.
package link
