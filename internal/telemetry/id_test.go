package telemetry_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

func TestUUID(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	require.Equal(t, id.String(), telemetry.UUID(id))
}
