package producer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestSendChoosesPartitionLikeServer(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		for i := range 20 {
			key := fmt.Sprintf("job-%d", i)
			require.NoError(t, errOf(p.Send(t.Context(), message(key, key))))
			require.Contains(t, s.payloads("t", wire.PartitionOf(key, 4)), key)
		}
		r := message("a", "explicit")
		r.Partition = producer.OnPartition(3)
		require.NoError(t, errOf(p.Send(t.Context(), r)))
		require.Contains(t, s.payloads("t", 3), "explicit")

		status := p.Status()
		require.True(t, status.Running)
		require.EqualValues(t, 21, status.Confirmed)
		require.Zero(t, status.BufferedBytes)
		require.Zero(t, status.BufferedMessages)
		require.NoError(t, p.Check(t.Context()))
	})
}

func TestIDsAndHeaders(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		r := message("", "x")
		r.Partition, r.ID = producer.OnPartition(0), [16]byte{1, 2, 3}
		r.Headers = []topic.Header{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}
		require.NoError(t, errOf(p.Send(t.Context(), r)))
		got := s.stored("t", 0)[0]
		require.Equal(t, r.ID, got.id)
		require.Equal(t, map[string]string{"a": "1", "b": "2"}, got.headers)

		r.ID = [16]byte{}
		require.NoError(t, errOf(p.Send(t.Context(), r)))
		made := s.stored("t", 0)[1].id
		require.EqualValues(t, 0x70, made[6]&0xf0, "version 7")
		require.EqualValues(t, 0x80, made[8]&0xc0, "RFC 9562 variant")
	})
}

func TestPayloadMayBeReusedAfterSend(t *testing.T) {
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

func TestContextEndsSend(t *testing.T) {
	t.Parallel()
	errMine := errors.New("my cause")
	t.Run("of a message that was sent", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			s.set(func() { s.delay = time.Minute / 10 })
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
			defer cancel()
			started := time.Now()
			_, err := p.Send(ctx, message("k", "x"))
			require.ErrorIs(t, err, errMine)
			require.Equal(t, producer.Unknown, producer.OutcomeOf(err))
			require.Equal(t, time.Second, time.Since(started))
			require.NoError(t, p.Flush(t.Context()))
			require.EqualValues(t, 1, p.Status().Confirmed, "it stays on its way")
		})
	})
	t.Run("of a message that was not", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			s.set(func() { s.delay = time.Minute / 10 })
			p.SendAsync(t.Context(), message("k", "before"), nil)
			synctest.Wait()
			p.SendAsync(t.Context(), message("k", "beside"), nil)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
			defer cancel()
			_, err := p.Send(ctx, message("k", "withdrawn"))
			require.ErrorIs(t, err, errMine)
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
			err = p.SendAll(ctx, message("k", "x"), message("k", "y"))
			require.ErrorIs(t, err, errMine)
			p.SendAsync(t.Context(), message("k", "after"), nil)
			require.NoError(t, p.Flush(t.Context()))
			require.Equal(t, []string{"before", "beside", "after"}, s.payloads("t", wire.PartitionOf("k", 4)))
			require.EqualValues(t, 3, p.Status().Confirmed)
			require.EqualValues(t, 3, p.Status().Failed)
			require.Zero(t, p.Status().BufferedMessages)
			require.Zero(t, p.Status().BufferedBytes)
		})
	})
	t.Run("of several", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			s.set(func() { s.delay = time.Minute / 10 })
			p.SendAsync(t.Context(), message("k", "before"), nil)
			synctest.Wait()
			sent := message("", "sent")
			sent.Partition = producer.OnPartition((wire.PartitionOf("k", 4) + 1) % 4)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
			defer cancel()
			err := p.SendAll(ctx, sent, message("k", "withdrawn"))
			var all *producer.SendAllError
			require.ErrorAs(t, err, &all)
			require.ErrorIs(t, err, errMine)
			require.Equal(t, producer.Unknown, all.Results[0].Outcome)
			require.Equal(t, producer.Failed, all.Results[1].Outcome)
		})
	})
	t.Run("for the metadata", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			s.cut()
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMine)
			defer cancel()
			started := time.Now()
			_, err := p.Send(ctx, message("k", "x"))
			require.ErrorIs(t, err, errMine)
			require.Equal(t, producer.Failed, producer.OutcomeOf(err))
			require.Equal(t, time.Second, time.Since(started))
		})
	})
	t.Run("that has ended before", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errMine)
			require.ErrorIs(t, errOf(p.Send(ctx, message("k", "x"))), errMine)
			require.Zero(t, s.count(&s.requests))
		})
	})
}
