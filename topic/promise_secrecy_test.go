package topic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Promise 10 of docs/guarantees.md: errors of decoding are logged, so they don't quote what
// could not be decoded.
func TestPromiseDecodersQuoteNothing(t *testing.T) {
	t.Parallel()
	type order struct {
		Amount int8
		Due    time.Time
	}
	for name, payload := range map[string]string{
		"a number that does not fit":  `{"Amount": 4711}`,
		"a text that is not a time":   `{"Due": "secret 4711"}`,
		"a text in place of a number": `{"Amount": "secret 4711"}`,
		"no JSON at all":              `4711 secret`,
	} {
		_, err := topic.JSON[order]().Decode([]byte(payload))
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "4711", name)
	}
}
