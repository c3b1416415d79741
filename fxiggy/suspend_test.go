package fxiggy_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/fxiggy"
)

// A process that was suspended for longer than the request timeout finds the answers that came
// meanwhile: it keeps its connections and partitions, and a stop at that moment is a clean one.
func TestASuspendedProcessGoesOn(t *testing.T) {
	t.Parallel()
	overTransports(t, server(t), func(t *testing.T, srv over) {
		yaml, name := strings.Replace(yaml(srv), "request_timeout: 5s", "request_timeout: 1s", 1), stream()
		a := newAdmin(t, yaml)
		t.Cleanup(func() { require.NoError(t, a.DeleteStream(context.Background(), name)) })
		var pub *bytesPublisher
		start(t, configured(yaml), fxiggy.Publish(chainTopic(name, 0)), fx.Populate(&pub))
		for i := range 8 {
			p := startStage(t, yaml, name, 0, "consumer before publisher")
			var published sync.WaitGroup
			published.Go(func() {
				for n := range 30 {
					if err := errOf(pub.Publish(t.Context(), []byte(strconv.Itoa(n)))); err != nil {
						t.Errorf("publish: %v", err)
					}
					time.Sleep(time.Millisecond)
				}
			})
			time.Sleep(20 * time.Millisecond)                                     // for requests to be in flight
			p.pause(t, 980*time.Millisecond+time.Duration(i)*30*time.Millisecond) // around the end of a timeout, and later
			p.stop(t)
			published.Wait()
			require.NotContains(t, p.log.String(), "connection lost")
			require.NotContains(t, p.log.String(), "partition lost")
		}
	})
}
