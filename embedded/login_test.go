package embedded_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	srv := start(t, embedded.WithCredentials("root", "secret"))
	c := dial(t, srv)
	status, _ := c.call(t, embedded.LoginUser, loginBody("iggy", "iggy"))
	require.Equal(t, embedded.StatusInvalidCredentials, status)
	c.mustCall(t, embedded.LoginUser, loginBody("root", "secret"))
}
