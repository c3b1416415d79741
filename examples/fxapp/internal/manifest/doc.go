// Package manifest parses and validates the body of POST /jobs and converts it to download tasks.
package manifest
