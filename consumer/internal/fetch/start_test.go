package fetch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
)

func TestWhereAPartitionBegins(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		known   fetch.Remembered
		policy  fetch.Policy
		stored  uint64
		nothing bool // is stored
		end     uint64
		same    bool
		purged  bool
		cut     bool // the log ended before 30, which had been reached
		want    fetch.Start
		reset   string // part of the reason
		failed  string
	}{
		"after the stored offset": {stored: 4, end: 10, want: fetch.Start{Position: 5, Prefix: 4, HasPrefix: true, End: 10}},
		"nothing stored, first":   {nothing: true, end: 10, want: fetch.Start{AnyOffset: true, End: 10}},
		"nothing stored, end": {
			policy: fetch.Policy{From: config.StartEnd}, nothing: true, end: 10,
			want: fetch.Start{Position: 10, End: 10, Prefix: 9, HasPrefix: true, StorePrefix: true},
		},
		"nothing stored, last": {
			policy: fetch.Policy{From: config.StartLast}, nothing: true, end: 10,
			want: fetch.Start{Position: 9, End: 10, Prefix: 8, HasPrefix: true, StorePrefix: true},
		},
		"acknowledged beyond what is stored": {
			known: fetch.Remembered{Next: 8, HasNext: true, Timestamp: 5}, stored: 4, end: 10, same: true,
			want: fetch.Start{Position: 8, Prefix: 7, HasPrefix: true, StorePrefix: true, End: 10},
		},
		"the log ends before what is stored": {
			known: fetch.Remembered{Next: 8, HasNext: true, Timestamp: 5}, stored: 20, end: 10,
			want:  fetch.Start{ByTime: true, Since: 5, Handled: fetch.Handled{Timestamp: 5, Below: 8}, Position: 10, End: 10, AnyOffset: true, Replay: true},
			reset: "offset 20 is stored and the log ends before 10",
		},
		"the log ends before what is stored, and nothing is known of it": {
			stored: 20, end: 10, want: fetch.Start{AnyOffset: true, End: 10, Replay: true}, reset: "the log ends before 10",
		},
		"other messages in the place of acknowledged ones": {
			known: fetch.Remembered{Next: 8, HasNext: true, Timestamp: 5}, stored: 4, end: 10,
			want:  fetch.Start{ByTime: true, Since: 5, Handled: fetch.Handled{Timestamp: 5, Below: 8}, Position: 10, End: 10, AnyOffset: true, Replay: true},
			reset: "offset 8 was reached and the log is not the same any more",
		},
		"an operator moved the offset back": {
			known: fetch.Remembered{Committed: 7, HasCommitted: true}, stored: 2, end: 10,
			want: fetch.Start{Position: 3, Prefix: 2, HasPrefix: true, End: 10, Replay: true}, reset: "offset 7 was stored and it is 2 now",
		},
		"an operator deleted the offset": {
			known: fetch.Remembered{Committed: 7, HasCommitted: true}, nothing: true, end: 10,
			want: fetch.Start{AnyOffset: true, End: 10, Replay: true}, reset: "there is none any more",
		},
		"on_reset latest": {
			policy: fetch.Policy{OnReset: config.ResetLatest},
			known:  fetch.Remembered{Committed: 7, HasCommitted: true}, stored: 2, end: 10,
			want: fetch.Start{Position: 10, Prefix: 9, HasPrefix: true, StorePrefix: true, End: 10}, reset: "it is 2 now",
		},
		"on_reset stop": {
			policy: fetch.Policy{OnReset: config.ResetStop, Partition: "s/t/0"},
			known:  fetch.Remembered{Committed: 7, HasCommitted: true}, stored: 2, end: 10,
			want: fetch.Start{Position: 3, Prefix: 2, HasPrefix: true, End: 10}, reset: "it is 2 now",
			failed: "s/t/0: offset 7 was stored and it is 2 now (on_reset: stop)",
		},
		"a log that was truncated before": {
			known: fetch.Remembered{Truncated: true, Before: fetch.Handled{Timestamp: 3, Below: 1}}, stored: 9, end: 10,
			want: fetch.Start{ByTime: true, Since: 3, Handled: fetch.Handled{Timestamp: 3, Below: 1}, Position: 10, End: 10, AnyOffset: true},
		},
		"acknowledged since the log was truncated": {
			known: fetch.Remembered{Truncated: true, Next: 4, HasNext: true, Timestamp: 5}, nothing: true, end: 10, same: true,
			want: fetch.Start{Position: 4, Prefix: 3, HasPrefix: true, StorePrefix: true, End: 10},
		},
		"delivered messages are not in the log any more": {
			known: fetch.Remembered{Next: 8, HasNext: true, Timestamp: 5}, stored: 4, end: 10, same: true, cut: true,
			want:  fetch.Start{Position: 8, Prefix: 7, HasPrefix: true, StorePrefix: true, End: 10, Replay: true},
			reset: "offset 30 was reached and the log ends before 10",
		},
		"the log was purged, and returns the acknowledged message": {
			known: fetch.Remembered{Next: 8, HasNext: true, Timestamp: 5, Committed: 7, HasCommitted: true}, nothing: true, end: 10, same: true, cut: true,
			want:  fetch.Start{ByTime: true, Since: 5, Handled: fetch.Handled{Timestamp: 5, Below: 8}, Position: 10, End: 10, AnyOffset: true, Replay: true},
			reset: "offset 8 was reached and the log is not the same any more",
		},
		"the log was purged, and is longer than before": {
			known:   fetch.Remembered{Next: 8, HasNext: true, Timestamp: 5, Committed: 6, HasCommitted: true, CommittedTime: 3},
			nothing: true, end: 10, same: true, purged: true,
			want:  fetch.Start{ByTime: true, Since: 3, Handled: fetch.Handled{Timestamp: 3, Below: 7}, Position: 10, End: 10, AnyOffset: true, Replay: true},
			reset: "offset 7 was reached and the log is not the same any more",
		},
		"where a standalone consumer wants": {
			policy:  fetch.Policy{Chosen: func(end uint64) (fetch.Start, bool) { return fetch.Start{Position: 6, End: end}, true }},
			nothing: true, end: 10, want: fetch.Start{Position: 6, End: 10},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := test.known
			got := test.policy.Decide(&known, fetch.Found{
				Stored: test.stored, HasStored: !test.nothing, End: test.end, Same: test.same, Purged: test.purged,
				Truncated: test.cut, Reached: 30,
			})
			require.Contains(t, got.Reset, test.reset)
			require.Equal(t, test.reset == "", got.Reset == "")
			if test.failed != "" {
				require.ErrorContains(t, got.Failed, test.failed)
			} else {
				require.NoError(t, got.Failed)
			}
			if got.Reset != "" {
				require.False(t, known.HasCommitted || known.HasNext, "what was remembered means nothing after a reset")
			}
			got.Reset, got.Failed = "", nil
			require.Equal(t, test.want, got)
		})
	}
}
