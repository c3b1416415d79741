package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// idling is a row of consumers without messages, with default settings, each in a group of its own.
type idling struct {
	group, name string
	partitions  int
	consumers   int
	// ownTopics gives each consumer a topic of its own.
	ownTopics bool
}

func (s idling) row() row {
	return row{group: s.group, table: tableLatency, name: s.name, settings: "defaults", measure: s.measure}
}

func (s idling) measure(ctx context.Context, b *bench) (cells, error) {
	w := base
	w.partitions = s.partitions
	at, err := b.place(ctx, w, rawForm)
	if err != nil {
		return nil, err
	}
	defer at.close()
	groups, sources := make([]string, s.consumers), make([]string, s.consumers)
	for i := range groups {
		groups[i] = fmt.Sprintf("g%d", i)
	}
	if s.ownTopics {
		for i := range sources {
			if sources[i], _, err = at.newFilledTopic(0, groups[i]); err != nil {
				return nil, err
			}
		}
	} else {
		source, _, err := at.newFilledTopic(0, groups...)
		if err != nil {
			return nil, err
		}
		for i := range sources {
			sources[i] = source
		}
	}
	if _, err := at.readers(ctx, sources, groups, config.DefaultConsumer("g"), byHandle); err != nil {
		return nil, err
	}
	// The intervals of the polls reach their maximum within a second.
	time.Sleep(min(2*time.Second, b.idle))
	used, started := cpuTime(), time.Now()
	time.Sleep(b.idle)
	used, elapsed := cpuTime()-used, time.Since(started)
	return cells{core: float64(used) / float64(elapsed) * 100, liveHeap: above(liveHeapBytes(), at.heap)}, nil
}
