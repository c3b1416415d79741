package producer

import (
	"context"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// taskGroup counts what runs for a producer: its senders, the callers that send their message
// themselves, and the watch of the metadata.
type taskGroup struct {
	ctx    context.Context // ends when the tasks must end
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup

	mu     sync.Mutex
	closed bool // no task may start any more
}

func newTaskGroup() *taskGroup {
	g := &taskGroup{}
	g.ctx, g.cancel = context.WithCancelCause(context.Background())
	return g
}

// add counts one more task. It returns false when no task may start any more.
func (g *taskGroup) add() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.tasks.Add(1)
	return true
}

// done counts a task as ended.
func (g *taskGroup) done() { g.tasks.Done() }

// close ends the context of the tasks. No task starts any more.
func (g *taskGroup) close() {
	g.cancel(iggyerr.ErrClosed)
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}

// wait waits until all tasks have ended.
func (g *taskGroup) wait() { g.tasks.Wait() }
