// Package callback calls functions of the application: handlers, hooks, codecs, health checks. Such
// a function may panic, or end its goroutine by runtime.Goexit, as FailNow of a test does. Both
// become a *iggyerr.PanicError with the stack, which matches iggyerr.ErrPanic; that of a Goexit
// also matches ErrGoexit.
//
// A Goexit always ends the goroutine in which it happens. The functions differ in which goroutine that
// is, and in how the caller gets the outcome:
//
//   - [Run] passes the outcome to a function that is called in every case. It costs no allocation
//     and no goroutine, so it is the one for what is called often.
//   - [Call] returns the outcome in every case. It runs the callback in a goroutine of its own,
//     so it is for what is called seldom.
//   - [Recover] returns the outcome if the goroutine survives. It is for code that has nothing to
//     do after a Goexit, or is called within Run.
//   - [Go] starts a goroutine for a loop that calls callbacks, and another one if a callback has
//     ended it.
//
// The usual pattern is a loop that Go starts and that calls each callback by Run: done of Run
// settles the message, and the loop continues with the next one.
package callback

import (
	"errors"
	"runtime/debug"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// ErrGoexit is matched by the error of a callback that ended its goroutine.
var ErrGoexit = errors.New("callback ended its goroutine (runtime.Goexit)")

// Run calls f in the caller's goroutine, and then calls done with the outcome: what f returned, or
// its panic or Goexit as an error. It allocates nothing when f returns.
//
// After a Goexit, Run does not return: done is called while the goroutine ends, and then the
// deferred functions of the callers. A panic in done is not caught.
func Run(f func() error, done func(err error)) {
	var err error
	returned := false
	defer func() {
		if !returned {
			err = failure(recover())
		}
		done(err)
	}()
	err = f()
	returned = true
}

// Recover calls f in the caller's goroutine, and returns what f returned or its panic as an error.
// It allocates nothing when f returns. A Goexit in f ends the caller's goroutine, too.
func Recover(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failure(v)
		}
	}()
	return f()
}

// Call calls f in a goroutine of its own, waits for it, and returns what f returned, or its panic
// or Goexit as an error.
func Call(f func() error) error {
	outcome := make(chan error, 1)
	go Run(f, func(err error) { outcome <- err })
	return <-outcome
}

// Go calls loop in a new goroutine, and calls done after loop has returned. When a callback in loop
// ends the goroutine, loop is called again in another one, so it must find what is left to do by
// itself. A panic in loop is not caught.
func Go(loop, done func()) {
	go func() {
		returned := false
		defer func() {
			if returned {
				done()
			} else {
				Go(loop, done)
			}
		}()
		loop()
		returned = true
	}()
}

// failure is the error of a callback that did not return; v is what recover returned. It is called
// by the deferred function, so the stack shows where the callback ended.
func failure(v any) error {
	if v == nil {
		v = ErrGoexit
	}
	return &iggyerr.PanicError{Value: v, Stack: debug.Stack()}
}
