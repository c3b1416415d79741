package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// sinceHelp describes what parseSince accepts.
const sinceHelp = "where to begin: first, an age such as 1h or 7d, a time such as 2026-01-31T08:00:00Z, or an `offset` within each partition"

// parseSince parses --since.
func parseSince(text string, now time.Time) (transport.Strategy, error) {
	if text == "first" {
		return transport.Strategy{Kind: transport.FromFirst}, nil
	}
	if offset, err := strconv.ParseUint(text, 10, 62); err == nil {
		return transport.Strategy{Kind: transport.FromOffset, Value: offset}, nil
	}
	at, err := parseTime(text, now)
	if err != nil {
		return transport.Strategy{}, usagef("--since must be first, an age (1h, 7d), a time (RFC 3339) or an offset, not %q", text)
	}
	return transport.Strategy{Kind: transport.FromTimestamp, Value: uint64(max(at.UnixMicro(), 0))}, nil
}

// parseTime parses an age, counted back from now, or a time.
func parseTime(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	age, err := config.ParseRetention(strings.TrimPrefix(text, "-"))
	if err != nil {
		return time.Time{}, err
	}
	return now.Add(-age.Duration()), nil
}
