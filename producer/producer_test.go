package producer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// run runs test in a bubble with a producer over a fake server with a topic "t" of four partitions,
// and stops the producer.
func run(t *testing.T, change func(*config.Producer), test func(t *testing.T, s *server, p *producer.Producer), opts ...producer.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.partitions("t", 4)
		p := start(t, s, change, opts...)
		defer func() { _ = p.Stop(context.Background()) }()
		test(t, s, p)
	})
}

// outcomes collects results.
type outcomes chan producer.Result

func (o outcomes) take(t *testing.T, n int) (list []producer.Result) {
	t.Helper()
	for range n {
		select {
		case r := <-o:
			list = append(list, r)
		case <-time.After(10 * time.Minute):
			require.FailNow(t, "a message without an outcome")
		}
	}
	return list
}

func TestSendStoresWhereTheServerWould(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		for i := range 20 {
			key := fmt.Sprintf("job-%d", i)
			require.NoError(t, p.Send(t.Context(), message(key, key)))
			require.Contains(t, s.payloads("t", wire.PartitionOf(key, 4)), key)
		}
		r := message("a", "explicit")
		r.Partition = producer.OnPartition(3)
		require.NoError(t, p.Send(t.Context(), r))
		require.Contains(t, s.payloads("t", 3), "explicit")

		status := p.Status()
		require.True(t, status.Running)
		require.EqualValues(t, 21, status.Confirmed)
		require.Zero(t, status.BufferedBytes)
		require.Zero(t, status.BufferedMessages)
		require.NoError(t, p.Check(t.Context()))
	})
}

func TestMessagesWithoutKeyTakeTurnsByBatch(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		for i := range 8 {
			require.NoError(t, p.Send(t.Context(), message("", fmt.Sprint(i))))
		}
		for id := range uint32(4) {
			require.Len(t, s.stored("t", id), 2)
		}
	})
}

func TestIDsAndHeaders(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		r := message("", "x")
		r.Partition, r.ID = producer.OnPartition(0), [16]byte{1, 2, 3}
		r.Headers = []topic.Header{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}
		require.NoError(t, p.Send(t.Context(), r))
		got := s.stored("t", 0)[0]
		require.Equal(t, r.ID, got.id)
		require.Equal(t, map[string]string{"a": "1", "b": "2"}, got.headers)

		r.ID = [16]byte{}
		require.NoError(t, p.Send(t.Context(), r))
		made := s.stored("t", 0)[1].id
		require.EqualValues(t, 0x70, made[6]&0xf0, "version 7")
		require.EqualValues(t, 0x80, made[8]&0xc0, "RFC 9562 variant")
	})
}

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	long := string(make([]byte, 256))
	for name, tt := range map[string]struct {
		change func(*producer.Message)
		want   error
		text   string
	}{
		"empty payload":     {func(r *producer.Message) { r.Payload = nil }, iggyerr.ErrEmptyPayload, "s/t"},
		"payload too large": {func(r *producer.Message) { r.Payload = make([]byte, iggyerr.MaxPayloadBytes+1) }, iggyerr.ErrTooLarge, "10000000"},
		"key too long":      {func(r *producer.Message) { r.Key = long }, iggyerr.ErrTooLarge, "255"},
		"header key":        {func(r *producer.Message) { r.Headers = []topic.Header{{Key: long, Value: "v"}} }, iggyerr.ErrTooLarge, "255"},
		"header value":      {func(r *producer.Message) { r.Headers = []topic.Header{{Key: "k", Value: long}} }, iggyerr.ErrTooLarge, `"k"`},
		"empty header":      {func(r *producer.Message) { r.Headers = []topic.Header{{Key: "k"}} }, nil, `"k"`},
		"headers too large": {func(r *producer.Message) {
			for range 1000 {
				r.Headers = append(r.Headers, topic.Header{Key: "key", Value: long[:200]})
			}
		}, iggyerr.ErrTooLarge, "100000"},
		"unknown topic":     {func(r *producer.Message) { r.Topic = "nowhere" }, iggyerr.ErrNotFound, "s/nowhere"},
		"unknown partition": {func(r *producer.Message) { r.Partition = producer.OnPartition(9) }, iggyerr.ErrNotFound, "partition 9 of s/t, which has 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
				r := message("k", "x")
				tt.change(&r)
				err := p.Send(t.Context(), r)
				var failure *producer.SendError
				require.ErrorAs(t, err, &failure)
				require.Equal(t, producer.Failed, failure.Outcome)
				require.Zero(t, failure.Attempts)
				require.ErrorContains(t, err, tt.text)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				}
				got := make(outcomes, 1)
				p.SendAsync(t.Context(), r, func(r producer.Result) { got <- r })
				require.Equal(t, producer.Failed, got.take(t, 1)[0].Outcome)
				require.Zero(t, s.count(&s.requests), "nothing was sent")
				require.Zero(t, p.Status().BufferedBytes)
				require.EqualValues(t, 2, p.Status().Failed)
			})
		})
	}
}

func TestAfterATopicIsCreatedItIsFound(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		r := message("k", "x")
		r.Topic = "late"
		require.ErrorIs(t, p.Send(t.Context(), r), iggyerr.ErrNotFound)
		s.partitions("late", 2)
		require.NoError(t, p.Send(t.Context(), r))
	})
}

func TestBatchesFillWhileOneIsInFlight(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.MaxBatchMessages = 10 }, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		got := make(outcomes, 100)
		send := func(i int) {
			r := message("", fmt.Sprintf("%02d", i))
			r.Partition = producer.OnPartition(1)
			p.SendAsync(t.Context(), r, func(r producer.Result) { got <- r })
		}
		send(0)
		synctest.Wait() // it left alone, at once
		require.Equal(t, 1, s.count(&s.requests))
		for i := 1; i < 26; i++ {
			send(i)
		}
		started := time.Now()
		for _, r := range got.take(t, 26) {
			require.Equal(t, producer.Confirmed, r.Outcome)
			require.EqualValues(t, 1, r.Partition)
		}
		require.Equal(t, 4, s.count(&s.requests), "1, 10, 10 and 5 messages")
		require.Equal(t, 4*time.Second, time.Since(started), "one request at a time for a partition")
		require.Len(t, s.payloads("t", 1), 26)
		require.IsIncreasing(t, s.payloads("t", 1))
	})
}

func TestPartitionsAreInFlightTogether(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		started := time.Now()
		var messages []producer.Message
		for id := range uint32(4) {
			r := message("", "x")
			r.Partition = producer.OnPartition(id)
			messages = append(messages, r)
		}
		require.NoError(t, p.SendAll(t.Context(), messages...))
		require.Equal(t, time.Second, time.Since(started))
	})
}

func TestLinger(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.Linger = time.Second; c.MaxBatchMessages = 3 }
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		send := func() { // without an interest in the outcome
			r := message("", "x")
			r.Partition = producer.OnPartition(0)
			p.SendAsync(t.Context(), r, nil)
		}
		started := time.Now()
		send()
		s.await(t, func() bool { return s.count(&s.requests) == 1 })
		require.Equal(t, time.Second, time.Since(started), "it waited for company")

		started = time.Now()
		send()
		send()
		send()
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, 2, s.count(&s.requests))
		require.Zero(t, time.Since(started), "a full batch does not wait")

		send()
		synctest.Wait()
		require.Equal(t, 2, s.count(&s.requests))
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, 3, s.count(&s.requests))
		require.Zero(t, time.Since(started), "a flush does not wait")
	})
}

func TestSendAll(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.SendAll(t.Context()))
		var messages []producer.Message
		for i := range 100 {
			messages = append(messages, message("k", fmt.Sprintf("%03d", i)))
		}
		require.NoError(t, p.SendAll(t.Context(), messages...))
		require.Equal(t, 1, s.count(&s.requests), "messages sent together leave together")
		require.IsIncreasing(t, s.payloads("t", wire.PartitionOf("k", 4)))

		messages = []producer.Message{message("k", "good"), message("k", ""), message("k", "good")}
		err := p.SendAll(t.Context(), messages...)
		var all *producer.SendAllError
		require.ErrorAs(t, err, &all)
		require.ErrorIs(t, err, iggyerr.ErrEmptyPayload)
		require.Len(t, all.Results, 3)
		require.Equal(t, producer.Confirmed, all.Results[0].Outcome)
		require.Equal(t, producer.Failed, all.Results[1].Outcome)
		require.Equal(t, producer.Confirmed, all.Results[2].Outcome)
		require.ErrorContains(t, err, "of 3 messages 1 failed and 0 are unknown")
	})
}

func TestPayloadMayBeUsedAgain(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		payload := []byte("aaaa")
		for _, c := range []byte("abc") {
			for i := range payload {
				payload[i] = c
			}
			r := message("k", "")
			r.Payload = payload
			p.SendAsync(t.Context(), r, nil)
		}
		copy(payload, "zzzz")
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"aaaa", "bbbb", "cccc"}, s.payloads("t", wire.PartitionOf("k", 4)))
	})
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.partitions("t", 1)
		cluster, cfg := settings(nil)
		p, err := producer.New(cluster, cfg, producer.WithDialer(s))
		require.NoError(t, err)
		require.Zero(t, s.count(&s.dials), "New does no I/O")
		err = p.Send(t.Context(), message("k", "x"))
		require.ErrorIs(t, err, iggyerr.ErrNotConnected)
		require.ErrorContains(t, err, "not started")
		require.ErrorIs(t, p.Check(t.Context()), iggyerr.ErrNotConnected)

		require.NoError(t, p.Start(t.Context()))
		require.NoError(t, p.Start(t.Context()), "twice")
		require.NoError(t, p.Send(t.Context(), message("k", "x")))
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, p.Stop(t.Context()), "twice")
		require.ErrorIs(t, p.Start(t.Context()), iggyerr.ErrClosed)
		require.ErrorIs(t, p.Send(t.Context(), message("k", "x")), iggyerr.ErrClosed)
		require.ErrorIs(t, p.Check(t.Context()), iggyerr.ErrClosed)
		require.False(t, p.Status().Running)

		idle, err := producer.New(cluster, cfg, producer.WithDialer(s))
		require.NoError(t, err)
		require.NoError(t, idle.Stop(t.Context()), "before Start")
		require.ErrorIs(t, idle.Start(t.Context()), iggyerr.ErrClosed)
	})
}

func TestStartReleasesEverythingWhenItFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.cut()
		cluster, cfg := settings(func(c *config.Producer) { c.Connections = 3 })
		p, err := producer.New(cluster, cfg, producer.WithDialer(s))
		require.NoError(t, err)
		started := time.Now()
		err = p.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrNotConnected)
		require.ErrorContains(t, err, cluster.Address())
		require.Equal(t, cluster.StartTimeout, time.Since(started))
		require.ErrorIs(t, p.Send(t.Context(), message("k", "x")), iggyerr.ErrClosed)
	})
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	cluster, _ := settings(nil)
	_, err := producer.New(cluster, config.Producer{})
	for _, key := range []string{"connections", "max_batch_messages", "max_batch_bytes", "max_buffered_bytes", "max_buffered_messages", "delivery_timeout", "metadata_interval"} {
		require.ErrorContains(t, err, "producer."+key+": must be")
	}
	cluster, cfg := settings(nil)
	_, err = producer.New(cluster, cfg, producer.WithCompression("s", "t", "lz4", 0))
	require.ErrorContains(t, err, `s/t`)
	require.ErrorContains(t, err, `"lz4"`)
}

func TestACallbackMayPanicAndSend(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		got := make(outcomes, 10)
		for i := range 3 {
			p.SendAsync(t.Context(), message("k", fmt.Sprint(i)), func(r producer.Result) {
				got <- r
				if i == 1 {
					panic(errors.New("boom"))
				}
				p.SendAsync(context.Background(), message("k", "again"), func(r producer.Result) { got <- r })
			})
		}
		for _, r := range got.take(t, 5) {
			require.Equal(t, producer.Confirmed, r.Outcome)
		}
		require.ErrorIs(t, p.Status().LastError, iggyerr.ErrPanic)
	})
}

func TestCustomPartitioner(t *testing.T) {
	t.Parallel()
	choose := func(_, _, key string, partitions uint32) uint32 {
		if key == "bad" {
			return partitions
		}
		return 2
	}
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.Send(t.Context(), message("k", "x")))
		require.Len(t, s.stored("t", 2), 1)
		require.ErrorContains(t, p.Send(t.Context(), message("bad", "x")), "the partitioner chose")
	}, producer.WithPartitioner(choose))
}
