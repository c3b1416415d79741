package transport_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestObjects(t *testing.T) {
	t.Parallel()
	require.Equal(t, "s/t", transport.ObjectTopic("s", "t"))
	require.Equal(t, "s/t/3", transport.ObjectPartition("s", "t", 3))
	require.Equal(t, "s/t group g", transport.Group{Stream: "s", Topic: "t", Name: "g"}.String())
	require.Equal(t, "s/t/0 group g", transport.Consumer{Stream: "s", Topic: "t", Name: "g", Group: true}.Object(0))
	require.Equal(t, "s/t consumer c", transport.Consumer{Stream: "s", Topic: "t", Name: "c"}.Object(transport.AnyPartition))
}
