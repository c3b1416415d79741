package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain makes the test a child of itself: a server, or a relay.
func TestMain(m *testing.M) {
	if is, err := runChild(os.Args[1:], os.Stdin, os.Stdout); is {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	log.SetOutput(io.Discard) // the SDK writes there
	os.Exit(m.Run())
}

// A row of each kind can be measured.
func TestRowsAreMeasured(t *testing.T) {
	b := startBench(t, lengths{
		rounds: 1, warmUp: time.Millisecond, round: 5 * time.Millisecond,
		idle: 10 * time.Millisecond, idleMessages: 1, busy: 20 * time.Millisecond, messages: 8000, backlog: 8000,
	})
	for _, c := range []struct {
		row     string
		columns []column
	}{
		{"^defaults/send/.SendAsync", []column{rate, vsSDK, vsFrames, vsOneFrame, cpu, allocs, heapPeak, p50, p99}},
		{"^defaults/send/.Publisher.*protobuf", []column{rate, vsSDK, vsFrames, vsRaw}},
		{"^defaults/send/.Send.*64", []column{rate, vsSDK, vsFrames, p50, p99, p50VsSDK}},
		{"^defaults/consume/.Messages", []column{rate, vsSDK, vsFrames, cpu, allocs, heapPeak}},
		{"^defaults/latency and idle/20,000", []column{p50, p99, p999, core, sdkP50, sdkP99, sdkP999, sdkCore}},
		{"^defaults/latency and idle/idle, 1 ", []column{core, liveHeap}},
		{"^tuned/consume/.HandleBatch", []column{rate, vsSDK, vsFrames}},
		{"^tuned/compressed/s2, .Publisher", []column{rate, vsSDK, vsFrames, codecCPU, vsCodec}},
		{"^tuned/compressed/zstd, .Handle", []column{rate, vsSDK, vsFrames, codecCPU, vsCodec}},
		{"^tuned/memory/a producer", []column{limit, buffered, heapPeak, heapVsLimit, bufferedVsLimit}},
		{"^tuned/memory/a consumer", []column{limit, buffered, liveHeap, heapVsLimit, bufferedVsLimit}},
		{"^growth/send/round trip 2 ms", []column{rate, vsSDK, vsFrames}},
		{"^growth/send/16 topics", []column{rate, vsSDK, vsFrames}},
		{"^growth/send/buffer of 1MiB", []column{rate, vsSDK, vsFrames, vsDefaults}},
		{"^growth/consume/payload 100 KB", []column{rate, vsSDK, vsFrames}},
		{"^growth/consume/16 consumers", []column{rate, vsSDK}},
		{"^growth/consume/a backlog", []column{rate, vsSDK, vsFrames, heapPeak}},
	} {
		rows := selectRows(allRows(), "", regexp.MustCompile(c.row))
		require.Len(t, rows, 1, c.row)
		cells, err := rows[0].measure(t.Context(), b)
		require.NoError(t, err, c.row)
		for _, column := range c.columns {
			require.Positive(t, cells[column], "%s: %s", c.row, column)
		}
		if reached, ok := cells[bufferedVsLimit]; ok {
			require.Greater(t, reached, 0.7, "%s: the limit is not reached", c.row)
		}
	}
	// Each row deletes its topics.
	topics, err := b.control.GetTopics(identifier(b.stream))
	require.NoError(t, err)
	require.Empty(t, topics)
}

// The frames count the messages that they asked for, so an answer with fewer is an error.
func TestFramesFailWithoutTheirMessages(t *testing.T) {
	b := startBench(t, quickLengths)
	at, err := b.place(t.Context(), base, rawForm)
	require.NoError(t, err)
	defer at.close()
	source, n, err := at.newFilledTopic(8000)
	require.NoError(t, err)
	_, err = at.frames.poll(b.stream, source, at.partitions, 2*n, 1)(time.Minute)
	require.EqualError(t, err, "the answer of a poll has 0 messages, not 1000")
}

// startBench starts an embedded server in a process of its own.
func startBench(t *testing.T, l lengths) *bench {
	t.Helper()
	target, err := startServer(t.Context())
	require.NoError(t, err)
	t.Cleanup(target.close)
	b, err := newBench(target, l)
	require.NoError(t, err)
	t.Cleanup(b.close)
	return b
}

// A row that can not be measured says so.
func TestRowFailsWithoutServer(t *testing.T) {
	b := startBench(t, quickLengths)
	b.target.close()
	_, err := defaultSending(groupDefaults, "name", base).row().measure(t.Context(), b)
	require.Error(t, err)
}
