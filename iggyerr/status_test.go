package iggyerr_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func status(s iggyerr.Status) error {
	return fmt.Errorf("wrapped: %w", &iggyerr.StatusError{Op: "send", Object: "fetchbox/jobs.tasks/3", Status: s})
}

func TestStatusesMatchSentinels(t *testing.T) {
	t.Parallel()
	sentinels := []error{iggyerr.ErrNotFound, iggyerr.ErrNotMember, iggyerr.ErrNotOwner, iggyerr.ErrCredentials}
	for s, want := range map[iggyerr.Status]error{
		iggyerr.StatusStreamNotFound:     iggyerr.ErrNotFound,
		iggyerr.StatusTopicNotFound:      iggyerr.ErrNotFound,
		iggyerr.StatusPartitionNotFound:  iggyerr.ErrNotFound,
		iggyerr.StatusGroupNotFound:      iggyerr.ErrNotFound,
		iggyerr.StatusNotMember:          iggyerr.ErrNotMember,
		iggyerr.StatusNotOwner:           iggyerr.ErrNotOwner,
		iggyerr.StatusInvalidCredentials: iggyerr.ErrCredentials,
		iggyerr.Status(53):               iggyerr.ErrCredentials,
		iggyerr.StatusGeneric:            nil,
	} {
		for _, sentinel := range sentinels {
			require.Equal(t, want != nil && errors.Is(want, sentinel), errors.Is(status(s), sentinel), "%v is %v", s, sentinel)
		}
	}
}
