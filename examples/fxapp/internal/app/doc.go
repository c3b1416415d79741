// Package app assembles the example: its configuration, its roles, its start and its stop.
package app
