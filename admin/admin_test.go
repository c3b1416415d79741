package admin_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func TestNewRejectsBadConfiguration(t *testing.T) {
	t.Parallel()
	cfg := settings("iggy://127.0.0.1:1")
	cfg.DialTimeout = 0
	_, err := admin.New(cfg)
	require.EqualError(t, err, "admin: iggy.dial_timeout: must be more than 0")
}

func TestCloseBeforeUseAndTwice(t *testing.T) {
	t.Parallel()
	a, err := admin.New(settings("iggy://127.0.0.1:1"))
	require.NoError(t, err)
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	require.ErrorIs(t, a.Ping(context.Background()), iggyerr.ErrClosed)
	require.ErrorIs(t, a.SetOffsets(context.Background(), admin.Group{Stream: "s", Topic: "t", Name: "g"}, nil), iggyerr.ErrClosed)
}
