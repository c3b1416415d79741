package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/iggy/foreign/go/client/tcp"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// The SDK's source warns of its own decoding of more than 64 KiB. What it reads there is right, over several times that.
func TestLongListsAreRead(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a, ctx := newAdmin(t, cfg), newContext(t)
		conn := dial(t, cfg)
		const count = 700 // of 288 bytes each
		prefix := newStream(t, a) + "-"
		var want []string
		for i := range count {
			name := fmt.Sprintf("%s%04d-", prefix, i)
			name += strings.Repeat("n", 255-len(name))
			want = append(want, name)
			require.NoError(t, sdk.Control(ctx, conn, "create stream", name, func(c *tcp.IggyTcpClient) error {
				_, err := c.CreateStream(name)
				return err
			}))
			t.Cleanup(func() { require.NoError(t, a.DeleteStream(ctx, name)) })
		}
		streams, err := a.Streams(ctx)
		require.NoError(t, err)
		var got []string
		for _, s := range streams {
			if strings.HasPrefix(s.Name, prefix) {
				require.Zero(t, s.Topics)
				require.False(t, s.Created.IsZero())
				got = append(got, s.Name)
			}
		}
		require.Equal(t, want, got)
	})
}
