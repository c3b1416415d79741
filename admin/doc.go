// Package admin is the control plane of an Iggy server. It creates missing streams, topics and
// consumer groups, reports which existing ones differ, lists topics and groups, and reads and sets
// the offsets of groups. It uses the official Go SDK and exposes none of its types.
//
// An Admin is for the start of a service, for tools and for operators. Producers and consumers have
// connections of their own.
package admin
