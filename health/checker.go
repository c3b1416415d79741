package health

import (
	"context"
	"time"
)

// Checker checks the health of a component.
type Checker interface {
	// Name is unique within a Registry: "producer", "consumer.tasks".
	Name() string
	// Check reports the health of the component. It must return when its context ends. It is never
	// called twice at the same time. A panic means that the component is down.
	Check(ctx context.Context) Result
}

// Status is the status of a component.
type Status string

// The statuses.
const (
	Up   Status = "up"
	Down Status = "down"
)

// Result is the result of a check.
type Result struct {
	Status Status
	// Detail is further information. It is shown as JSON, so it must not hold secrets or payloads.
	Detail any
	// Err is why the component is down, or the last error while it is up. Its text is shown, so it
	// must not hold secrets.
	Err error
	// Since is when the status began. When it is zero, it is the first check with this status.
	Since time.Time
}

// New makes a Checker of a function.
func New(name string, check func(context.Context) Result) Checker {
	return function{name, check}
}

// Ping makes a Checker of a request that succeeds while the component is up, such as a cheap read
// of metadata.
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
