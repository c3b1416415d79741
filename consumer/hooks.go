package consumer

import (
	"context"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// hookKind is what happened to partitions.
type hookKind int

const (
	hookAssigned hookKind = iota
	hookRevoked
	hookLost
)

// hooks calls the application's hooks, one after another, in a goroutine of their own: a hook that
// blocks, or that calls the consumer, delays only the hooks after it. While one runs, further
// events are queued. Events of one kind that follow each other become one call, and when the queue
// is full the oldest event is dropped.
type hooks struct {
	log   *zap.Logger
	calls [3]func(ctx context.Context, partitions []uint32)

	mu      sync.Mutex
	queue   []hookEvent
	running bool
	closed  bool
	idle    chan struct{} // closed when closed and not running
}

type hookEvent struct {
	kind       hookKind
	partitions []uint32
}

// maxHookEvents is the length of the queue from which the oldest event is dropped.
const maxHookEvents = 64

func newHooks(log *zap.Logger, calls [3]func(ctx context.Context, partitions []uint32)) *hooks {
	return &hooks{log: log, calls: calls, idle: make(chan struct{})}
}

// post has the hook of a kind called. Nil hooks are none.
func (h *hooks) post(kind hookKind, partitions ...uint32) {
	if h == nil || h.calls[kind] == nil || len(partitions) == 0 {
		return
	}
	if h.enqueue(kind, partitions) {
		h.log.Warn("hook does not return, oldest event dropped")
	}
}

// enqueue adds an event and reports whether it dropped the oldest one.
func (h *hooks) enqueue(kind hookKind, partitions []uint32) (dropped bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	if n := len(h.queue); n > 0 && h.queue[n-1].kind == kind {
		last := &h.queue[n-1]
		for _, id := range partitions {
			if !slices.Contains(last.partitions, id) {
				last.partitions = append(last.partitions, id)
			}
		}
	} else {
		h.queue = append(h.queue, hookEvent{kind, slices.Clone(partitions)})
	}
	if dropped = len(h.queue) > maxHookEvents; dropped {
		// A hook does not return. The oldest event is outdated by those after it.
		h.queue = h.queue[1:]
	}
	if !h.running {
		h.running = true
		callback.Go(h.run, func() {})
	}
	return dropped
}

// run calls hooks until the queue is empty.
func (h *hooks) run() {
	for {
		h.mu.Lock()
		if len(h.queue) == 0 {
			h.running = false
			if h.closed {
				close(h.idle)
			}
			h.mu.Unlock()
			return
		}
		event := h.queue[0]
		h.queue = h.queue[1:]
		h.mu.Unlock()
		h.call(event)
	}
}

func (h *hooks) call(event hookEvent) {
	slices.Sort(event.partitions)
	err := callback.Recover(func() error {
		h.calls[event.kind](context.Background(), event.partitions)
		return nil
	})
	if err != nil {
		h.log.Error("hook panicked", zap.Error(err))
	}
}

// close accepts no more events; those in the queue are still delivered. It returns a channel that
// is closed when the last hook has returned.
func (h *hooks) close() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		if !h.running {
			close(h.idle)
		}
	}
	return h.idle
}
