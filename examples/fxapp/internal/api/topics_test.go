package api_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTopics(t *testing.T) {
	t.Parallel()
	f := start(t)
	_, answer := f.get(t, "/operators/topics")
	require.Equal(t, 3.0, answer["topics"].([]any)[0].(map[string]any)["groups"].([]any)[0].(map[string]any)["lag"])
	f.topicsErr = errors.New("no server")
	response, answer := f.get(t, "/operators/topics")
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode, "%v", answer)
}
