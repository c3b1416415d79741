// Package app puts the example together: its configuration, its roles, and its
// life from start to stop.
package app
