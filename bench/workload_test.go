package main

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestBatchIsBoundedByBytes(t *testing.T) {
	t.Parallel()
	for payload, want := range map[int]int{512: 1000, 10_000: 209, 1_000_000: 2, 10_000_000: 1} {
		require.Equal(t, want, workload{payload: payload}.batch(), payload)
	}
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	require.Len(t, base.message(), 512)
	w := base
	w.payload, w.compression = 10_000, config.CompressionZstd
	content := w.message()
	require.Len(t, content, 10_000)
	for _, c := range []config.Compression{config.CompressionZstd, config.CompressionS2} {
		codec, err := newCodec(c)
		require.NoError(t, err)
		packed := codec.encode(nil, content)
		require.Less(t, len(packed), len(content)*2/3)
		unpacked, err := codec.decode(nil, packed)
		require.NoError(t, err)
		require.Equal(t, content, unpacked)
	}
	_, err := newCodec(config.CompressionGzip)
	require.EqualError(t, err, "no codec for gzip")
}

// A probe takes the time of its message, and messages beyond the last probe are not timed.
func TestProbes(t *testing.T) {
	t.Parallel()
	outcomes := 0
	outcome := func(producer.Result) { outcomes++ }
	p := newProbes(1, outcome)
	sent := time.Now().Add(-time.Second)
	p.next(sent, outcome)(producer.Result{})
	p.next(sent, outcome)(producer.Result{})
	require.Equal(t, 2, outcomes)
	times := p.take()
	require.Len(t, times, 1)
	require.GreaterOrEqual(t, times[0], time.Second)
	require.Empty(t, p.take())
}

// The relay delivers what follows without another delay.
func TestRelayDelaysEachByteOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const oneWay, count = 50 * time.Millisecond, 20
		client, from := net.Pipe()
		to, server := net.Pipe()
		go relayDelayed(oneWay)(from, to, nil)
		go func() {
			for range count {
				_, _ = client.Write([]byte{1})
				time.Sleep(time.Millisecond)
			}
		}()
		started := time.Now()
		for i := range count {
			_, err := server.Read(make([]byte, 1))
			require.NoError(t, err)
			require.Equal(t, oneWay+time.Duration(i)*time.Millisecond, time.Since(started))
		}
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
	})
}
