// Package manifest reads what is submitted to POST /jobs, and makes download
// tasks of it.
package manifest
