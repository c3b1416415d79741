package producer_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestMessagesWithoutKeyAreSpreadByBatch(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		for i := range 8 {
			require.NoError(t, errOf(p.Send(t.Context(), message("", fmt.Sprint(i)))))
		}
		for id := range uint32(4) {
			require.Len(t, s.stored("t", id), 2)
		}
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
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "x"))))
		require.Len(t, s.stored("t", 2), 1)
		require.ErrorContains(t, errOf(p.Send(t.Context(), message("bad", "x"))), "the partitioner chose")
	}, producer.WithPartitioner(choose))
}

// A panic in a Partitioner releases the room of its message.
func TestPanicInPartitioner(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.partitions("t", 1)
	p := start(t, s, nil, producer.WithPartitioner(func(string, string, string, uint32) uint32 { panic("partitioner") }))
	defer func() { require.NoError(t, p.Stop(context.Background())) }()
	var failure *iggyerr.PanicError
	_, err := p.Send(t.Context(), message("k", "x"))
	require.ErrorAs(t, err, &failure)
	require.Equal(t, producer.Failed, producer.OutcomeOf(err))
	status := p.Status()
	require.Zero(t, status.BufferedBytes)
	require.Zero(t, status.BufferedMessages)
}

func TestGoexitInPartitioner(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = p.SendAll(t.Context(), message("good", "x"), message("bad", "x"))
		}()
		<-ended
		require.NoError(t, p.Flush(t.Context()))
		require.Zero(t, p.Status().BufferedBytes)
		require.Zero(t, p.Status().BufferedMessages)
		require.EqualValues(t, 1, p.Status().Confirmed)
	}, producer.WithPartitioner(func(_, _, key string, _ uint32) uint32 {
		if key == "bad" {
			runtime.Goexit()
		}
		return 0
	}))
}
