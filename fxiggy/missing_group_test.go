package fxiggy_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// A group that is deleted under a running consumer is created again. Its offsets are deleted with it,
// which is an operator's reset: the topic is consumed from its start.
func TestAGroupThatGoesMissingComesBack(t *testing.T) {
	t.Parallel()
	srv := server(t)
	messages, values := topic.New("s", "t", topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 1})), make(chan string, 10)
	var (
		handler *health.Handler
		pub     *bytesPublisher
	)
	start(t, configured(yaml(srv)+"health: {interval: 0s}\n"), fxiggy.Consume(messages, "in"), fxiggy.Publish(messages),
		fx.Invoke(handleTo(values)), fx.Populate(&pub, &handler))
	require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
	require.Equal(t, "a", receive(t, values))
	srv.WaitCommitted("s", "t", "in", 0, 0)
	require.NoError(t, srv.DeleteGroup("s", "t", "in"))
	require.NoError(t, errOf(pub.Publish(t.Context(), []byte("b"))))
	require.Equal(t, "a", receive(t, values))
	require.Equal(t, "b", receive(t, values))
	require.Eventually(t, func() bool {
		code, _ := probe(t, handler, health.ReadyPath)
		return code == http.StatusOK && srv.Members("s", "t", "in") == 1
	}, within, 10*time.Millisecond)
}
