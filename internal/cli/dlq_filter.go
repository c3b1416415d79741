package cli

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// deadLetterFilter selects dead letters.
type deadLetterFilter struct {
	job, code    string
	since, until string
	state        string
	all          bool
	headers      []string
	positions    []string

	from, to time.Time
	filter   headerFilter
}

// addFlags adds the flags. state is the default of --state, states are the accepted ones.
func (f *deadLetterFilter) addFlags(c *cobra.Command, state string, states ...string) {
	c.Flags().StringVar(&f.job, "job-id", "", "only those of this `job` (FetchBox's)")
	c.Flags().StringVar(&f.code, "code", "", "only those with this failure `code`; DOWNLOAD_* is a pattern")
	c.Flags().StringArrayVar(&f.headers, "filter", nil, "only those with this user `header=value`, or with this header; may be repeated")
	c.Flags().StringVar(&f.since, "since", "", "only those stored since this `time`, or in this time: 1h, 7d")
	c.Flags().StringVar(&f.until, "until", "", "only those stored before this `time`, or before this age")
	c.Flags().StringVar(&f.state, "state", state, fmt.Sprintf("only those in this `state`: %s", joinWithOr(states)))
	completeFlag(c, "state", fixed(states...))
}

// parse checks the flags and parses the times; states are the states that the command accepts.
func (f *deadLetterFilter) parse(now time.Time, states []string) error {
	if _, err := path.Match(f.code, ""); err != nil {
		return usagef("--code: not a pattern: %q", f.code)
	}
	if !slices.Contains(states, f.state) {
		return usagef("--state must be %s, not %q", joinWithOr(states), f.state)
	}
	for _, t := range []struct {
		flag, text string
		at         *time.Time
	}{{"since", f.since, &f.from}, {"until", f.until, &f.to}} {
		if t.text == "" {
			continue
		}
		at, err := parseTime(t.text, now)
		if err != nil {
			return usagef("--%s must be an age (1h, 7d) or a time (RFC 3339), not %q", t.flag, t.text)
		}
		*t.at = at
	}
	filter, err := parseHeaderFilter(f.headers)
	if err != nil {
		return err
	}
	f.filter = filter
	for _, p := range f.positions {
		var partition uint32
		var offset uint64
		if n, err := fmt.Sscanf(p, "%d/%d", &partition, &offset); n != 2 || err != nil || fmt.Sprintf("%d/%d", partition, offset) != p {
			return usagef("a dead letter is named by its position, such as 0/12, not %q", p)
		}
	}
	return nil
}

// startPosition is where reading begins.
func (f *deadLetterFilter) startPosition() startPosition { return startPosition{time: f.from} }

// hasCriteria reports whether the filter selects less than all dead letters of a state.
func (f *deadLetterFilter) hasCriteria() bool {
	return f.job != "" || f.code != "" || f.since != "" || f.until != "" || len(f.headers) > 0 || len(f.positions) > 0
}

// matches reports whether the filter selects a dead letter in that state.
func (f *deadLetterFilter) matches(l deadLetter, state deadLetterState) bool {
	switch {
	case f.state != stateAll && f.state != state.at(time.Now()),
		f.job != "" && l.job() != f.job,
		!f.filter.matches(l.message),
		!f.to.IsZero() && !l.Timestamp.Before(f.to),
		len(f.positions) > 0 && !slices.Contains(f.positions, l.position()):
		return false
	case f.code != "":
		ok, _ := path.Match(f.code, l.code)
		return ok
	}
	return true
}

// unmatchedPositions are the positions of the filter that are not among the selected dead letters.
func (f *deadLetterFilter) unmatchedPositions(selected []selectedLetter) []string {
	return slices.DeleteFunc(slices.Clone(f.positions), func(p string) bool {
		return slices.ContainsFunc(selected, func(l selectedLetter) bool { return l.position == p })
	})
}
