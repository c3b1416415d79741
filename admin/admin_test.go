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

func TestNilContextsAndOptionsAreErrors(t *testing.T) {
	t.Parallel()
	cfg := settings("127.0.0.1:1")
	_, err := admin.New(cfg, nil)
	require.ErrorContains(t, err, "option 1 of 1 is nil")
	a := newAdmin(t, cfg)
	var none context.Context
	require.ErrorContains(t, a.Ping(none), "nil context")
	_, err = a.Provision(none, nil)
	require.ErrorContains(t, err, "nil context")
	require.ErrorContains(t, a.DeleteStream(none, "s"), "nil context")
	require.ErrorContains(t, a.SetOffsets(none, admin.Group{Stream: "s", Topic: "t", Name: "g"}, map[uint32]uint64{0: 1}), "nil context")
}
