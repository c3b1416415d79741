package health_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRegistry(t *testing.T, opts ...health.Option) *health.Registry {
	t.Helper()
	r, err := health.NewRegistry(config.Health{Timeout: 2 * time.Second, Interval: time.Second}, opts...)
	require.NoError(t, err)
	return r
}

// component is a checker whose result the test sets. Checks counts its calls.
type component struct {
	name   string
	result health.Result
	checks int
}

func (c *component) Name() string { return c.name }

func (c *component) Check(context.Context) health.Result {
	c.checks++
	return c.result
}
