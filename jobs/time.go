package jobs

import "time"

// maxTimeMs is the last millisecond of the year 9999: the latest time that RFC 3339 and JSON know.
const maxTimeMs = 253_402_300_799_999

// Time returns the time of a timestamp of a message, such as JobStatus.timestamp_ms, in UTC. It
// returns otherwise for a timestamp of 0, which is a missing one, and for one after the year 9999:
// its producer counts in another unit.
func Time(ms uint64, otherwise time.Time) time.Time {
	if ms == 0 || ms > maxTimeMs {
		return otherwise
	}
	return time.UnixMilli(int64(ms)).UTC()
}
