package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// sinceHelp describes what parseSince accepts.
const sinceHelp = "`where` to begin: first, end, an age such as 1h or 7d, a time such as 2026-01-31T08:00:00Z, or an offset within each partition"

// startPosition is where reading begins in a partition: at its end, at a time, or else at an offset.
// The zero value is the first message.
type startPosition struct {
	end    bool
	time   time.Time
	offset uint64
}

func (s startPosition) position() consumer.Position {
	switch {
	case s.end:
		return consumer.End()
	case !s.time.IsZero():
		return consumer.Time(s.time)
	case s.offset > 0:
		return consumer.Offset(s.offset)
	default:
		return consumer.First()
	}
}

// parseSince parses --since.
func parseSince(text string, now time.Time) (startPosition, error) {
	switch text {
	case "", "first":
		return startPosition{}, nil
	case "end":
		return startPosition{end: true}, nil
	}
	if offset, err := strconv.ParseUint(text, 10, 62); err == nil {
		return startPosition{offset: offset}, nil
	}
	at, err := parseTime(text, now)
	if err != nil {
		return startPosition{}, usagef("--since must be first, end, an age (1h, 7d), a time (RFC 3339) or an offset, not %q", text)
	}
	return startPosition{time: at}, nil
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
