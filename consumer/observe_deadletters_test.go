package consumer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// deadLetterRecorder records dead letters, and can be made to fail.
type deadLetterRecorder struct {
	mu       sync.Mutex
	failures []topic.Failure[string]
	tries    int
	broken   error
	changed  *seen
}

func newDeadLetterRecorder() *deadLetterRecorder { return &deadLetterRecorder{changed: newSeen()} }

func (l *deadLetterRecorder) DeadLetter(_ context.Context, f topic.Failure[string]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries++
	if l.broken != nil {
		l.changed.add("refused")
		return l.broken
	}
	l.failures = append(l.failures, f)
	l.changed.add("stored " + string(f.Payload))
	return nil
}

func (l *deadLetterRecorder) recover() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = nil
}

func (l *deadLetterRecorder) wait(t testing.TB, n int) []topic.Failure[string] {
	t.Helper()
	l.changed.waitFor(t, "dead letters", func(texts []string) bool {
		stored := 0
		for _, text := range texts {
			if strings.HasPrefix(text, "stored") {
				stored++
			}
		}
		return stored >= n
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]topic.Failure[string](nil), l.failures...)
}

// deadLetterFunc is a function as dead letters.
type deadLetterFunc func(ctx context.Context, f topic.Failure[string]) error

func (b deadLetterFunc) DeadLetter(ctx context.Context, f topic.Failure[string]) error {
	return b(ctx, f)
}

var errBroken = errors.New("broken for good")

var errBusy = errors.New("busy, says the other side")
