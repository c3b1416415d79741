package admin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The SDK's source warns that it may decode answers of more than 64 KiB wrongly. It decodes several
// times that right.
func TestLongListIsRead(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, ctx := newAdmin(t, cfg), newContext(t)
		conn := dial(t, cfg)
		const count = 700 // of some 300 bytes each
		stream := newStream(t, a)
		callSDK(t, conn, func(c *tcp.IggyTcpClient) error { _, err := c.CreateStream(stream); return err })
		var want []string
		for i := range count {
			name := fmt.Sprintf("%04d-", i)
			name += strings.Repeat("n", 255-len(name))
			want = append(want, name)
			callSDK(t, conn, func(c *tcp.IggyTcpClient) error {
				_, err := c.CreateTopic(identifier(stream), name, 1, iggcon.CompressionAlgorithmNone, 0, 0, nil)
				return err
			})
		}
		topics, err := a.Topics(ctx, stream)
		require.NoError(t, err)
		var got []string
		for _, topic := range topics {
			require.EqualValues(t, 1, topic.Partitions)
			require.False(t, topic.Created.IsZero())
			got = append(got, topic.Name)
		}
		require.Equal(t, want, got)
	})
}

func TestListAndDelete(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, ctx := newAdmin(t, cfg), newContext(t)
		stream := newStream(t, a)
		_, err := a.Groups(ctx, stream, "t")
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		_, _, err = a.Topic(ctx, stream, "t")
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		require.ErrorContains(t, err, stream+"/t")

		_, err = a.Provision(ctx, admin.Spec{{Stream: stream, Name: "t", Settings: topic.Settings{Partitions: 3}, Groups: []string{"g"}}})
		require.NoError(t, err)
		_, partitions, err := a.Topic(ctx, stream, "t")
		require.NoError(t, err)
		require.Equal(t, []admin.Partition{{ID: 0}, {ID: 1}, {ID: 2}}, partitions)
		streams, err := a.Streams(ctx)
		require.NoError(t, err)
		i := slices.IndexFunc(streams, func(s admin.Stream) bool { return s.Name == stream })
		require.GreaterOrEqual(t, i, 0)
		require.EqualValues(t, 1, streams[i].Topics)
		require.WithinDuration(t, time.Now(), streams[i].Created, time.Minute)
		_, err = a.Groups(ctx, stream, "other")
		require.ErrorIs(t, err, iggyerr.ErrNotFound)

		for range 2 { // the second time it is gone already
			require.NoError(t, a.DeleteTopic(ctx, stream, "t"))
		}
		for range 2 {
			require.NoError(t, a.DeleteStream(ctx, stream))
		}
		require.ErrorContains(t, a.DeleteStream(ctx, ""), "the stream's name has 0 bytes")
	})
}
