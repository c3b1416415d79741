// Package connect opens connections that are logged in to the leader of a cluster. It resolves the
// hosts of the endpoint, tries their addresses, logs in, reads the metadata of the cluster and
// connects to the leader, all within the dial timeout. It holds no connection open: package link
// supervises connections, and package admin keeps one.
package connect
