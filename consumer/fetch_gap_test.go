package consumer_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestGapIsDetected(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]config.OnGap{"continue": config.GapContinue, "stop": config.GapStop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1, embedded.WithRetention(4<<10))
			cfg := fastConfig()
			cfg.OnGap = on
			got := newSeen()
			c := e.consumer(cfg)
			require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				got.add(m.Value)
				return nil
			}))
			start(t, c)
			e.send(0, "a/0")
			got.wait(t, 1)
			c.Pause(0)
			padding := strings.Repeat("x", 500)
			for i := range 20 {
				e.send(0, fmt.Sprintf("%d/%s", i, padding))
			}
			c.Resume(0)
			if on == config.GapContinue {
				all := got.wait(t, 3)
				require.NotEqual(t, "0/"+padding, all[1])
				got.waitFor(t, "the last message", func(texts []string) bool {
					return texts[len(texts)-1][:3] == "19/"
				})
				require.NoError(t, c.Check(context.Background()))
				return
			}
			e.server.WaitFor("the stop", func() bool { return c.Check(context.Background()) != nil })
			require.ErrorContains(t, c.Check(context.Background()), "on_gap: stop")
			require.Len(t, got.all(), 1)
		})
	}
}
