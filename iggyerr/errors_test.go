package iggyerr_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func broken(sent bool, cause error) error {
	return fmt.Errorf("wrapped: %w", &iggyerr.ConnError{Op: "send", Addr: "127.0.0.1:8090", Sent: sent, Err: cause})
}

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	require.EqualError(t, status(iggyerr.StatusTopicNotFound), "wrapped: iggy: send fetchbox/jobs.tasks/3: topic not found (status 2010)")
	require.EqualError(t, &iggyerr.StatusError{Op: "ping", Status: 64999}, "iggy: ping: status 64999")
	require.EqualError(t, broken(true, io.EOF), "wrapped: iggy: send to 127.0.0.1:8090: EOF")
}

func TestPanicErrorKeepsItsCause(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("x: %w", &iggyerr.PanicError{Value: io.ErrUnexpectedEOF, Stack: []byte("main.go:1")})
	require.ErrorIs(t, err, iggyerr.ErrPanic)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "main.go:1")
}
