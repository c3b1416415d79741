package link_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestStatusReportsOpenBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := startLink(t, server, func(c *config.Iggy) {
			c.Breaker = config.Breaker{Failures: 3, Delay: time.Minute}
		})
		require.Equal(t, "closed", l.Status().Breaker)
		server.set(func(f *fakeServer) { f.dialErr = errRefused })
		server.last().cut(errors.New("reset by peer"))
		time.Sleep(30 * time.Second)
		require.Equal(t, "open", l.Status().Breaker)
		dials := len(server.dialTimes())
		server.set(func(f *fakeServer) { f.dialErr = nil })
		time.Sleep(20 * time.Second)
		require.Len(t, server.dialTimes(), dials, "an open breaker tries nothing")

		session, err := l.Session(t.Context())
		require.NoError(t, err)
		require.NoError(t, session.Do(t.Context(), ping))
		require.Equal(t, "closed", l.Status().Breaker)
		require.NoError(t, l.Stop(t.Context()))
	})
}
