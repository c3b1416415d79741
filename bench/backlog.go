package main

import (
	"context"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// backlogRow returns the row of a consumer that starts when a topic is full of messages.
func backlogRow() row {
	return row{
		group: groupGrowth, table: tableConsume, name: "a backlog of 5 million messages, read once",
		settings: "defaults", measure: measureBacklog,
	}
}

func measureBacklog(ctx context.Context, b *bench) (cells, error) {
	at, err := b.place(ctx, base, rawForm)
	if err != nil {
		return nil, err
	}
	defer at.close()
	source, n, err := at.newFilledTopic(b.backlog, "g")
	if err != nil {
		return nil, err
	}
	c := cells{}
	samples := map[string][]sample{}
	add := func(name string, run work) error {
		s, err := measure(run, b.round*2)
		samples[name] = append(samples[name], s)
		return err
	}
	sdk, err := at.polling(source, n, 1, config.DefaultConsumer("g").CommitEvery)
	if err != nil {
		return nil, err
	}
	poll, _, err := sdk.prepare()
	if err != nil {
		return nil, err
	}
	// Once, so the order does not change: the library is the first, without the others' garbage.
	err = add(contenderLibrary, func(time.Duration) (done, error) {
		r, err := at.startReader(ctx, source, config.DefaultConsumer("g"), byHandle, n)
		if err != nil {
			return done{}, err
		}
		at.closers = append(at.closers, func() { _ = r.Stop(ctx) })
		return done{messages: n}, r.wait(ctx, n)
	})
	if err == nil {
		err = add(contenderSDK, poll)
	}
	if err == nil {
		err = add(contenderFrames, at.frames.poll(b.stream, source, at.partitions, n, 1))
	}
	if err != nil {
		return nil, err
	}
	c.addLoad(samples, at.heap)
	return c, nil
}
