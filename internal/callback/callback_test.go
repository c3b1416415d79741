package callback_test

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func returnsNil() error   { return nil }
func returnsError() error { return io.ErrUnexpectedEOF }

func panics() error { panic("boom") }

func panicsWithError() error { panic(io.ErrUnexpectedEOF) }

func exits() error {
	runtime.Goexit()
	return nil
}

func panicsAndExits() error {
	defer runtime.Goexit()
	panic("boom")
}

func panicsWhileItExits() error {
	defer func() { panic("boom") }()
	runtime.Goexit()
	return nil
}

// outcome is what becomes of each of the functions above.
type outcome struct {
	f       func() error
	is      []error
	text    string // of the stack, or none
	survive bool   // the goroutine continues
}

var outcomes = map[string]outcome{
	"returns nil":           {f: returnsNil, survive: true},
	"returns an error":      {f: returnsError, is: []error{io.ErrUnexpectedEOF}, survive: true},
	"panics":                {f: panics, is: []error{iggyerr.ErrPanic}, text: "callback_test.panics", survive: true},
	"panics with an error":  {f: panicsWithError, is: []error{iggyerr.ErrPanic, io.ErrUnexpectedEOF}, text: "callback_test.panicsWithError", survive: true},
	"exits":                 {f: exits, is: []error{iggyerr.ErrPanic, callback.ErrGoexit}, text: "callback_test.exits"},
	"panics and exits":      {f: panicsAndExits, is: []error{iggyerr.ErrPanic, callback.ErrGoexit}, text: "callback_test.panicsAndExits"},
	"panics while it exits": {f: panicsWhileItExits, is: []error{iggyerr.ErrPanic}, text: "callback_test.panicsWhileItExits"},
}

func (o outcome) check(t *testing.T, err error) {
	if o.is == nil {
		require.NoError(t, err)
		return
	}
	for _, target := range o.is {
		require.ErrorIs(t, err, target)
	}
	require.ErrorContains(t, err, o.text)
}

func TestCallReturnsTheOutcome(t *testing.T) {
	t.Parallel()
	for name, o := range outcomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.check(t, callback.Call(o.f))
		})
	}
}

func TestRunPassesTheOutcomeOn(t *testing.T) {
	t.Parallel()
	for name, o := range outcomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var group sync.WaitGroup
			calls, returned := 0, false
			var got error
			group.Go(func() {
				callback.Run(o.f, func(err error) {
					calls++
					got = err
				})
				returned = true
			})
			group.Wait()
			require.Equal(t, 1, calls)
			require.Equal(t, o.survive, returned)
			o.check(t, got)
		})
	}
}

func TestRecoverReturnsThePanic(t *testing.T) {
	t.Parallel()
	for name, o := range outcomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var group sync.WaitGroup
			returned := false
			var got error
			group.Go(func() {
				got = callback.Recover(o.f)
				returned = true
			})
			group.Wait()
			require.Equal(t, o.survive, returned)
			if returned {
				o.check(t, got)
			}
		})
	}
}

func TestPanicInDoneIsNotCaught(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "boom", func() {
		callback.Run(returnsNil, func(error) { panic("boom") })
	})
}

func TestGoCallsTheLoopAgain(t *testing.T) {
	t.Parallel()
	left := []func() error{returnsNil, exits, panics, exits, panicsAndExits, returnsError, panicsWhileItExits, returnsNil}
	var outcomes []error
	done := make(chan struct{})
	callback.Go(func() {
		for len(left) > 0 {
			f := left[0]
			left = left[1:]
			callback.Run(f, func(err error) { outcomes = append(outcomes, err) })
		}
	}, func() { close(done) })
	<-done
	require.Len(t, outcomes, 8)
	exited := 0
	for _, err := range outcomes {
		if errors.Is(err, callback.ErrGoexit) {
			exited++
		}
	}
	require.Equal(t, 3, exited)
}

func TestCallbacksAllocateNothing(t *testing.T) {
	count := 0
	require.Zero(t, testing.AllocsPerRun(100, func() { inPlace(&count) }))
	require.NotZero(t, count)
}

// inPlace calls functions that capture a variable, as a caller does.
func inPlace(count *int) {
	n := 0
	callback.Run(func() error { n++; return io.EOF }, func(err error) {
		if err != nil {
			n++
		}
	})
	if callback.Recover(func() error { n++; return nil }) == nil {
		*count += n
	}
}

func BenchmarkRun(b *testing.B) {
	count := 0
	for b.Loop() {
		callback.Run(func() error { return nil }, func(error) { count++ })
	}
}

func BenchmarkRecover(b *testing.B) {
	for b.Loop() {
		_ = callback.Recover(returnsNil)
	}
}

func BenchmarkCall(b *testing.B) {
	for b.Loop() {
		_ = callback.Call(returnsNil)
	}
}
