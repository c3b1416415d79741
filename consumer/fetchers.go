package consumer

import (
	"context"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/group"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/watch"
)

// fetchers makes a fetcher for each membership, and runs it until the membership ends.
type fetchers struct {
	e       *engine
	running sync.WaitGroup

	mu      sync.Mutex
	session group.Session
	current *fetch.Fetcher // of session; nil: none
	stop    context.CancelFunc
}

// of returns the fetcher of a session.
func (f *fetchers) of(s group.Session) *fetch.Fetcher {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == nil || f.session != s {
		f.session, f.current = s, fetch.New(f.config(s), s)
	}
	return f.current
}

// begin runs the fetcher of a session.
func (f *fetchers) begin(s group.Session) {
	current := f.of(s)
	ctx, cancel := context.WithCancel(f.e.ctx)
	f.mu.Lock()
	f.stop = cancel
	f.mu.Unlock()
	f.running.Go(func() { current.Run(ctx) })
}

// end stops the fetcher of the session that is over.
func (f *fetchers) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.stop()
	}
	f.current, f.stop = nil, nil
}

// wait waits for the fetchers that were stopped.
func (f *fetchers) wait() { f.running.Wait() }

// config returns how partitions are read over a session.
func (f *fetchers) config(s group.Session) fetch.Config {
	e := f.e
	batchSize := e.cfg.BatchSize
	if e.atMostOnce {
		batchSize = min(batchSize, e.cfg.MaxInFlight) // messages that are read may get lost
	}
	return fetch.Config{
		Consumer: e.identity, Log: e.log, BatchSize: batchSize, RetryPause: e.cfg.Retry.BaseBackoff,
		PollIntervalMin: e.cfg.PollIntervalMin, PollIntervalMax: e.cfg.PollIntervalMax,
		Topics: &watch.Process, Server: server(s),
		StopAtGap: e.cfg.OnGap == config.GapStop, AtMostOnce: e.atMostOnce,
		Store: func(ctx context.Context, partition uint32, offset uint64) error {
			if !e.storesOffsets {
				return nil
			}
			return e.store(s, partition).Write(ctx, offset)
		},
		Observe: e.meter.recordPoll,
	}
}
