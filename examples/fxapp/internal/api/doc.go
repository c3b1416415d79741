// Package api is FetchBox's HTTP API. It accepts jobs and shows operators their state, their logs,
// the topics and the health of the process.
package api
