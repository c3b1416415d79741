package embedded_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

var durable = []embedded.Option{embedded.WithMessagesRequiredToSave(1), embedded.WithEnforceFsync(true)}

// TestCrashKeepsConfirmedMessages sends with the settings of a real server of which kill -9 lost
// none of 500 messages.
func TestCrashKeepsConfirmedMessages(t *testing.T) {
	t.Parallel()
	for label, opts := range map[string][]embedded.Option{
		"each message":            {embedded.WithMessagesRequiredToSave(1)},
		"each message, to a disk": durable,
		"every five messages":     {embedded.WithMessagesRequiredToSave(5)},
		"every 300 bytes":         {embedded.WithSizeOfMessagesRequiredToSave(300)},
		"no bytes":                {embedded.WithSizeOfMessagesRequiredToSave(-1)},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			srv := startIn(t, dir, opts...)
			c := makeTopic(t, srv, 1)
			for range 100 {
				sendN(t, c, 0, 1)
				sendN(t, c, 0, 4)
			}
			c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(499)))
			want := payloads(t, srv, 0)
			require.Len(t, want, 500)
			srv.Crash()

			srv, seen := startSeeing(t, dir, opts...)
			require.Equal(t, want, payloads(t, srv, 0))
			require.Zero(t, seen.Len())
			offset, _, err := srv.StoredConsumerOffset("s", "t", "c", 0)
			require.NoError(t, err)
			require.EqualValues(t, 499, offset)
		})
	}
}

func TestSaveInterval(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir, embedded.WithSaveInterval(time.Millisecond))
	sendN(t, makeTopic(t, srv, 1), 0, 3)
	require.Eventually(t, func() bool {
		logs := logFiles(t, dir, ".log")
		if len(logs) == 0 {
			return false
		}
		info, err := os.Stat(logs[0])
		return err == nil && info.Size() == 3*frameSize
	}, waitTimeout, time.Millisecond)
	srv.Crash()
	require.Len(t, payloads(t, startIn(t, dir, embedded.WithSaveInterval(0)), 0), 3)
}

// TestConcurrentSendsAreSavedInOrder sends on many connections to two partitions.
func TestConcurrentSendsAreSavedInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir, durable...)
	makeTopic(t, srv, 2)
	const senders, each = 16, 30
	var wg sync.WaitGroup
	for n := range senders {
		c := dial(t, srv)
		c.login(t)
		wg.Go(func() {
			for i := range each {
				m := message(1, fmt.Sprintf("%d-%d", n, i), "")
				_, err := c.Write(frame(embedded.SendMessages, sendBody(streamS, topicT, toPartition(uint32(n%2)), m, m)))
				if err != nil {
					return
				}
				if status, _, err := c.tryReceive(); err != nil || status != embedded.StatusOK {
					return
				}
			}
		})
	}
	wg.Wait()
	before := [][]string{payloads(t, srv, 0), payloads(t, srv, 1)}
	require.Len(t, before[0], senders*each)
	srv.Crash()
	srv = startIn(t, dir, durable...)
	require.Equal(t, before, [][]string{payloads(t, srv, 0), payloads(t, srv, 1)})
}

// TestFailedWriteStoresNothing takes the directory of the partitions away, which fails like a full
// disk.
func TestFailedWriteStoresNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv, seen := startSeeing(t, dir, durable...)
	c := makeTopic(t, srv, 1)
	partitions, away := filepath.Join(dir, "partitions"), filepath.Join(dir, "away")
	require.NoError(t, os.Rename(partitions, away))
	body := sendBody(streamS, topicT, toPartition(0), message(1, "message 0", ""))
	for range 5 {
		status, _ := c.call(t, embedded.SendMessages, body)
		require.Equal(t, embedded.StatusCannotSaveMessages, status)
		require.Empty(t, payloads(t, srv, 0), "what is not written can't be polled")
	}
	require.Equal(t, 1, seen.FilterMessage("messages not written").Len(), "it is not logged again and again")
	require.NoError(t, os.Rename(away, partitions))
	sendN(t, c, 0, 1)
	require.Len(t, payloads(t, srv, 0), 1)
	srv.Crash()
	require.Len(t, payloads(t, startIn(t, dir), 0), 1)
}

// TestFailingDiskBoundsUnsavedMessages sends to a server that saves every five messages, and can't.
func TestFailingDiskBoundsUnsavedMessages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir, embedded.WithMessagesRequiredToSave(5))
	c := makeTopic(t, srv, 1)
	partitions, away := filepath.Join(dir, "partitions"), filepath.Join(dir, "away")
	require.NoError(t, os.Rename(partitions, away))
	sendN(t, c, 0, 4)
	body := sendBody(streamS, topicT, toPartition(0), message(1, "message 0", ""))
	for range 20 {
		status, _ := c.call(t, embedded.SendMessages, body)
		require.Equal(t, embedded.StatusCannotSaveMessages, status)
	}
	require.Len(t, payloads(t, srv, 0), 5)
	require.NoError(t, os.Rename(away, partitions))
	status, _ := c.call(t, embedded.SendMessages, body)
	require.Equal(t, embedded.StatusOK, status)
	require.Len(t, payloads(t, srv, 0), 6)
	stop(t, srv)
	require.Len(t, payloads(t, startIn(t, dir), 0), 6)
}

func BenchmarkSaveEachMessage(b *testing.B) {
	for _, c := range []struct {
		name string
		opts []embedded.Option
	}{
		{"memory", nil},
		{"default", []embedded.Option{embedded.WithDirectory(b.TempDir())}},
		{"each", []embedded.Option{embedded.WithDirectory(b.TempDir()), embedded.WithMessagesRequiredToSave(1)}},
		{"each-fsync", append([]embedded.Option{embedded.WithDirectory(b.TempDir())}, durable...)},
	} {
		for _, count := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, count), func(b *testing.B) {
				srv := start(b, c.opts...)
				conn := makeTopic(b, srv, 1)
				defer conn.mustCall(b, embedded.DeleteStream, streamS)
				messages := make([][]byte, count)
				for i := range messages {
					messages[i] = message(1, string(make([]byte, 512)), "")
				}
				f := frame(embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), messages...))
				for b.Loop() {
					conn.send(b, f)
					status, _ := conn.receive(b)
					require.Equal(b, embedded.StatusOK, status)
				}
				b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "msgs/s")
			})
		}
	}
}

// BenchmarkSaveTogether sends single messages to one partition on several connections. Each is on
// the disk before it is confirmed.
func BenchmarkSaveTogether(b *testing.B) {
	for _, senders := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d", senders), func(b *testing.B) {
			srv := start(b, append([]embedded.Option{embedded.WithDirectory(b.TempDir())}, durable...)...)
			conn := makeTopic(b, srv, 1)
			f := frame(embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), message(1, string(make([]byte, 512)), "")))
			conns := []*testConn{conn}
			for len(conns) < senders {
				c := dial(b, srv)
				c.login(b)
				conns = append(conns, c)
			}
			for b.Loop() {
				for _, c := range conns {
					c.send(b, f)
				}
				for _, c := range conns {
					status, _ := c.receive(b)
					require.Equal(b, embedded.StatusOK, status)
				}
			}
			b.ReportMetric(float64(b.N*senders)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}
