// Package api is FetchBox's HTTP interface: it takes jobs, and shows operators
// how far they are, what their workers say, and how the process is.
package api
