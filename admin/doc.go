// Package admin is the control plane of an Iggy server: it creates what is
// missing and says what differs, lists streams, topics and consumer groups, and
// reads and sets the offsets of groups. It stands on the official Go SDK and
// shows none of its types.
//
// An Admin is for the start of a service, for tools and for operators; the data
// plane has connections of its own.
package admin
