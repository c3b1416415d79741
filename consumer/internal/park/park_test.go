package park_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/park"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var parked = park.Message{
	Origin: topic.Origin{
		Stream: "s", Topic: "t", Partition: 3, Offset: 42, ID: [16]byte{1}, Group: "g", Timestamp: time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC),
	},
	Due: time.Date(2026, 3, 1, 13, 0, 0, 7, time.UTC), Attempts: 2, Copies: 1,
}

func TestParkedMessageKeepsItsHeaders(t *testing.T) {
	t.Parallel()
	for name, own := range map[string][]byte{
		"none":          nil,
		"some":          wire.AppendHeader(nil, "tenant", "a"),
		"malformed":     {1, 2},
		"of the origin": wire.AppendHeader(wire.AppendHeader(nil, "origin-stream", "x"), "parked-attempts", "9"),
		"a parked one":  parked.Headers(wire.AppendHeader(nil, "tenant", "a")),
	} {
		got, rest, ok := park.Parse(parked.Headers(own))
		require.True(t, ok, name)
		require.Equal(t, parked, got, name)
		require.Equal(t, string(own), string(rest), name)
	}
	for name, headers := range map[string][]byte{
		"none":        nil,
		"no due time": parked.Headers(nil)[:50],
		"malformed":   {2, 9},
	} {
		_, _, ok := park.Parse(headers)
		require.False(t, ok, name)
	}
}

func TestEachCopyHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	read, _, ok := park.Parse(parked.Headers(nil))
	require.True(t, ok)
	require.Equal(t, parked.ID(), read.ID(), "a second attempt to store it")
	ids := map[[16]byte]bool{}
	for _, change := range []func(*park.Message){
		func(*park.Message) {}, func(m *park.Message) { m.Copies++ }, func(m *park.Message) { m.Attempts++ },
		func(m *park.Message) { m.Origin.Offset++ }, func(m *park.Message) { m.Origin.Group = "h" },
		func(m *park.Message) { m.Due = m.Due.Add(time.Nanosecond) },
	} {
		m := parked
		change(&m)
		ids[m.ID()] = true
	}
	require.Len(t, ids, 6)
}

func TestDelaysDouble(t *testing.T) {
	t.Parallel()
	d := park.Delays{First: time.Minute, Partitions: 8}
	for wait, want := range map[time.Duration]uint32{
		time.Second: 0, time.Minute: 0, 2*time.Minute - 1: 0, 2 * time.Minute: 1, 3 * time.Minute: 1, 4 * time.Minute: 2,
		128 * time.Minute: 7, 1000 * time.Hour: 7,
	} {
		require.Equal(t, want, d.Partition(wait), wait)
	}
	require.Equal(t, 128*time.Minute, d.Of(7))
	require.Equal(t, 128*time.Minute, d.Of(9), "the topic has more partitions than it should")
	long := park.Delays{First: 10 * time.Hour, Partitions: 8}
	require.EqualValues(t, 2, long.Partition(1000*time.Hour), "the first one of the longest")
	require.Equal(t, 24*time.Hour, long.Of(7))
	require.EqualValues(t, 0, park.Delays{First: time.Minute, Partitions: 1}.Partition(time.Hour))
}

// The configuration has the same longest delay: it bounds park_after, and the retention of the topic.
func TestConfigurationSuitsTheLongestDelay(t *testing.T) {
	t.Parallel()
	longest := park.Delays{First: time.Minute, Partitions: 100}.Of(99)
	cfg := config.DefaultConsumer("g")
	cfg.ParkAfter, cfg.Parked.Retention = longest, config.Retention(2*longest)
	require.NoError(t, cfg.Validate())
	cfg.Parked.Retention--
	require.ErrorContains(t, cfg.Validate(), "parked.retention")
	cfg.ParkAfter++
	require.ErrorContains(t, cfg.Validate(), "park_after")
}

// A message never leaves a partition before those in front of it, so none is held back by one that
// waits longer, and it is parked again for the rest until less than the first delay is left.
func TestMessagesLeaveInOrderAndAreNeverLate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := park.Delays{
			First:      rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "first"),
			Partitions: rapid.Uint32Range(1, 16).Draw(t, "partitions"),
		}
		halves := d.Partitions > 7 && d.First < time.Hour // there are delays for all waits
		now := parked.Due
		last := map[uint32]time.Time{}
		for range 20 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "passed")))
			m := parked
			m.Due = now.Add(time.Duration(rapid.Int64Range(int64(d.First), int64(100*d.First)).Draw(t, "wait")))
			partition := d.Partition(m.Due.Sub(now))
			leave := d.Leave(m, partition, now)
			require.False(t, leave.Before(last[partition]))
			require.False(t, leave.After(m.Due))
			last[partition] = leave

			copies := 1
			for at := leave; m.Due.Sub(at) > d.First; copies++ {
				left := m.Due.Sub(at)
				next := d.Leave(m, d.Partition(left), at)
				if halves {
					require.LessOrEqual(t, m.Due.Sub(next), left/2, "each copy waits for half of the rest at least")
				}
				at = next
			}
			if halves {
				require.LessOrEqual(t, copies, 7)
			}
		}
	})
}
