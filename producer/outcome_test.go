package producer_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, producer.Confirmed, producer.OutcomeOf(nil))
	require.Equal(t, producer.Failed, producer.OutcomeOf(errors.New("other")))
	require.Equal(t, producer.Unknown, producer.OutcomeOf(fmt.Errorf("x: %w", &producer.SendError{Outcome: producer.Unknown, Err: errors.New("y")})))
}
