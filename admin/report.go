package admin

import (
	"fmt"
	"strings"
)

// Report compares a Spec with the objects on the server.
type Report struct {
	// Steps are in the order of creation.
	Steps []Step `json:"steps"`
}

// Step is the part of a Report about one object.
type Step struct {
	Kind Kind `json:"kind"`
	// Object names it: "shop", "shop/orders", "shop/orders group billing".
	Object string `json:"object"`
	Action Action `json:"action"`
	// Detail describes the settings of a topic.
	Detail string `json:"detail,omitempty"`
	// Differences are the settings of an existing topic that differ from the Spec. They are not
	// changed.
	Differences []Difference `json:"differences,omitempty"`
}

// Kind is a kind of object.
type Kind string

// The kinds of objects.
const (
	KindStream Kind = "stream"
	KindTopic  Kind = "topic"
	KindGroup  Kind = "group"
)

// Action is what happens to an object.
type Action string

// The actions.
const (
	// ActionCreate means that the object was missing: Provision has created it, Plan would do so.
	ActionCreate Action = "create"
	// ActionKeep means that the object exists and is not changed.
	ActionKeep Action = "keep"
)

// Difference is a setting of an existing topic that differs from the Spec.
type Difference struct {
	// Setting is partitions, retention or max_size.
	Setting string `json:"setting"`
	Want    string `json:"want"`
	Have    string `json:"have"`
}

// Created are the steps that create something.
func (r Report) Created() []Step {
	var all []Step
	for _, s := range r.Steps {
		if s.Action == ActionCreate {
			all = append(all, s)
		}
	}
	return all
}

// Different are the steps with differences.
func (r Report) Different() []Step {
	var all []Step
	for _, s := range r.Steps {
		if len(s.Differences) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// String has a line for each object: "+" is created, "=" exists as specified, "!" exists and
// differs.
func (r Report) String() string {
	var b strings.Builder
	for _, s := range r.Steps {
		b.WriteString(s.String() + "\n")
	}
	return b.String()
}

// String is the line of one object.
func (s Step) String() string {
	sign := "="
	switch {
	case s.Action == ActionCreate:
		sign = "+"
	case len(s.Differences) > 0:
		sign = "!"
	}
	line := fmt.Sprintf("%s %-6s %s", sign, s.Kind, s.Object)
	if s.Detail != "" && s.Action == ActionCreate {
		line += ": " + s.Detail
	}
	for i, d := range s.Differences {
		separator := ", "
		if i == 0 {
			separator = ": "
		}
		line += separator + d.String()
	}
	return line
}

// String is "retention is 7d, not 14d".
func (d Difference) String() string {
	return fmt.Sprintf("%s is %s, not %s", d.Setting, d.Have, d.Want)
}
