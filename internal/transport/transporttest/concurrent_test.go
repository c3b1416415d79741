package transporttest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// echo answers each poll with the partition of the request and with one message that names it, some
// answers late and some in pieces.
func echo(seed uint64) func(*peer) {
	return func(s *peer) {
		random := rand.New(rand.NewPCG(seed, 0))
		for {
			_, body, err := s.request()
			if err != nil {
				return
			}
			// The partition stands before strategy, value, count and commit.
			partition := binary.LittleEndian.Uint32(body[len(body)-18:])
			answer := answerOf(0, polledOf(partition, fmt.Sprint(partition), string(make([]byte, 1+random.IntN(5000)))))
			if random.IntN(20) == 0 {
				time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
			}
			cut := random.IntN(len(answer))
			if random.IntN(2) == 0 {
				cut = 0
			}
			for _, part := range [][]byte{answer[:cut], answer[cut:]} {
				if _, err := s.Write(part); err != nil {
					return
				}
			}
		}
	}
}

// Contexts end at random while many calls are in flight. Each call that gets an answer gets its
// own.
func testConcurrentPolls(t *testing.T, p *peerSuite) {
	const callers, calls = 24, 150
	address := p.start(t, echo(1))
	var mu sync.Mutex
	var current transport.Conn
	t.Cleanup(func() {
		if current != nil {
			require.NoError(t, current.Close())
		}
	})
	conn := func() transport.Conn {
		mu.Lock()
		defer mu.Unlock()
		if current != nil && current.Err() == nil {
			return current
		}
		if current != nil {
			assert.False(t, p.traits.keepsAfterCancel, "broken by an ended context: %v", current.Err())
			assert.NoError(t, current.Close())
		}
		var err error
		current, err = p.dialer.Dial(within(t), address, nil)
		assert.NoError(t, err)
		return current
	}
	var answered atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(i)))
			for n := range calls {
				partition := uint32(i*calls + n)
				ctx, cancel := within(t), context.CancelFunc(func() {})
				impatient := random.IntN(4) == 0
				if impatient {
					ctx, cancel = context.WithTimeout(t.Context(), time.Duration(random.IntN(1000))*time.Microsecond)
				}
				got, err := conn().Poll(ctx, transport.Poll{
					Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: "c"}, Partition: int64(partition),
					Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 2, MaxBytes: random.IntN(3) * 1000,
				})
				cancel()
				switch {
				case err == nil:
					answered.Add(1)
					if !assert.Equal(t, partition, got.Partition) || !assert.NotEmpty(t, got.Messages) ||
						!assert.Equal(t, fmt.Sprint(partition), string(got.Messages[0].Payload)) {
						return
					}
				case p.traits.keepsAfterCancel:
					assert.True(t, impatient, "%v", err)
					assert.ErrorIs(t, err, context.DeadlineExceeded)
				default:
					var conn *iggyerr.ConnError
					assert.ErrorAs(t, err, &conn)
				}
			}
		})
	}
	wg.Wait()
	require.NotZero(t, answered.Load())
	if p.traits.keepsAfterCancel {
		require.NoError(t, conn().Err())
	}
}

// The peer cuts the connection at a random point, again and again. Each call returns, and none
// takes a part of an answer for an answer.
func testCutAtRandom(t *testing.T, p *peerSuite) {
	const rounds, callers = 25, 8
	for round := range rounds {
		limit := int64(rand.New(rand.NewPCG(3, uint64(round))).IntN(40_000))
		c := p.dial(t, func(s *peer) {
			echo(uint64(round))(&peer{Conn: &limitedConn{Conn: s.Conn, left: limit}, r: s.r})
		})
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for n := 0; ; n++ {
					partition := uint32(i*1_000_000 + n)
					got, err := c.Poll(within(t), transport.Poll{
						Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: "c"}, Partition: int64(partition),
						Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 2,
					})
					if err != nil {
						var conn *iggyerr.ConnError
						assert.ErrorAs(t, err, &conn)
						assert.True(t, iggyerr.IsRetryable(err), "%v", err)
						return
					}
					assert.Equal(t, partition, got.Partition)
					assert.Len(t, got.Messages, 2)
				}
			})
		}
		wg.Wait()
		requireDone(t, c)
		require.NoError(t, c.Close())
	}
}
