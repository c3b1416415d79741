package transport_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestCheckCredentials(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("s", 256)
	for _, bad := range []transport.Credentials{
		{}, {Username: "u"}, {Password: "p"}, {Username: long, Password: "p"}, {Username: "u", Password: long}, {Token: long},
	} {
		err := transport.CheckCredentials(bad)
		require.ErrorIs(t, err, iggyerr.ErrCredentials)
		require.NotContains(t, err.Error(), long)
	}
	require.NoError(t, transport.CheckCredentials(transport.Credentials{Username: "u", Password: "p"}))
	require.NoError(t, transport.CheckCredentials(transport.Credentials{Token: long[1:]}))
}
