package health

import (
	"context"
	"time"
)

// Checker is a component whose health is of interest.
type Checker interface {
	// Name is unique within a Registry: "producer", "consumer.tasks".
	Name() string
	// Check tells how the component is now. It may take as long as its context
	// allows, is never called twice at the same time, and may panic: that is
	// a result, too.
	Check(ctx context.Context) Result
}

// Status is whether a component works.
type Status string

// The statuses.
const (
	Up   Status = "up"
	Down Status = "down"
)

// Result is what a Checker says.
type Result struct {
	Status Status
	// Detail is anything else that a reader may want to know. It is shown as JSON
	// and must hold no secret and nothing of a message's payload.
	Detail any
	// Err is why the component is down, or what last went wrong while it is up.
	// Its text is shown, so it must hold no secret either.
	Err error
	// Since is when the status began. When it is zero, the Registry tells
	// since when it has seen this status.
	Since time.Time
}

// New makes a Checker of a function.
func New(name string, check func(context.Context) Result) Checker {
	return function{name, check}
}

// Ping makes a Checker of a request that succeeds while the component is up, such as a
// light metadata call over a connection.
func Ping(name string, ping func(context.Context) error) Checker {
	return function{name, func(ctx context.Context) Result {
		if err := ping(ctx); err != nil {
			return Result{Status: Down, Err: err}
		}
		return Result{Status: Up}
	}}
}

type function struct {
	name  string
	check func(context.Context) Result
}

func (f function) Name() string                     { return f.name }
func (f function) Check(ctx context.Context) Result { return f.check(ctx) }
