package iggyerr_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func TestClassification(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err                       error
		retryable, effect, breaks bool
	}{
		"nil":                            {nil, false, false, false},
		"anything":                       {errors.New("boo"), false, false, false},
		"broken before it was sent":      {broken(false, io.EOF), true, false, true},
		"broken after it was sent":       {broken(true, io.EOF), true, true, true},
		"cancelled before it was sent":   {broken(false, context.Canceled), false, false, true},
		"cancelled after it was sent":    {broken(true, context.Canceled), false, true, true},
		"timed out after it was sent":    {broken(true, context.DeadlineExceeded), true, true, true},
		"certificate":                    {broken(false, &tls.CertificateVerificationError{Err: io.EOF}), false, false, true},
		"TLS refused":                    {broken(true, fmt.Errorf("%w: bad certificate", iggyerr.ErrTLS)), false, true, true},
		"not connected":                  {fmt.Errorf("x: %w", iggyerr.ErrNotConnected), true, false, false},
		"closed":                         {fmt.Errorf("%w: %w", iggyerr.ErrNotConnected, iggyerr.ErrClosed), false, false, false},
		"protocol":                       {broken(true, iggyerr.ErrProtocol), false, true, true},
		"panic":                          {&iggyerr.PanicError{Value: "x"}, false, false, true},
		"topic not found":                {status(iggyerr.StatusTopicNotFound), false, false, false},
		"not the owner":                  {status(iggyerr.StatusNotOwner), false, false, false},
		"credentials":                    {status(iggyerr.StatusInvalidCredentials), false, false, false},
		"not permitted":                  {status(iggyerr.StatusUnauthorized), false, false, false},
		"generic":                        {status(iggyerr.StatusGeneric), true, true, false},
		"server stopping":                {status(iggyerr.StatusDisconnected), true, false, true},
		"stopping, behind a request":     {broken(true, status(iggyerr.StatusDisconnected)), true, false, true},
		"stale":                          {status(30), true, false, true},
		"unauthenticated":                {status(iggyerr.StatusUnauthenticated), true, false, true},
		"shard did not answer":           {status(11001), true, true, false},
		"topic full":                     {status(3009), true, false, false},
		"unknown status of the future":   {status(64999), false, false, false},
		"payload too large, by a server": {status(4022), false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.retryable, iggyerr.IsRetryable(tt.err), "retryable")
			require.Equal(t, tt.effect, iggyerr.MayHaveEffect(tt.err), "may have effect")
			require.Equal(t, tt.breaks, iggyerr.BreaksConnection(tt.err), "breaks the connection")
		})
	}
}
