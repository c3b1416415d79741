package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// The picture is well-formed and shows what the commands print now.
func TestDraw(t *testing.T) {
	t.Parallel()
	var picture bytes.Buffer
	require.NoError(t, draw(&picture))
	require.Contains(t, picture.String(), "order 3 has no price")
	require.Contains(t, picture.String(), "replayed 1 dead letter")
	decoder, err := xml.NewDecoder(&picture), error(nil)
	for err == nil {
		_, err = decoder.Token()
	}
	require.ErrorIs(t, err, io.EOF)
}
