package topic_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

type coded string

func (c coded) Error() string       { return "coded" }
func (c coded) FailureCode() string { return string(c) }

func TestCodeOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, "DOWNLOAD_HTTP_4XX", topic.CodeOf(fmt.Errorf("x: %w", coded("DOWNLOAD_HTTP_4XX"))))
	require.Equal(t, topic.CodeHandler, topic.CodeOf(coded("")))
	require.Equal(t, topic.CodeHandler, topic.CodeOf(errors.New("x")))
	require.Equal(t, topic.CodePanic, topic.CodeOf(fmt.Errorf("x: %w", &iggyerr.PanicError{Value: 1})))
}
