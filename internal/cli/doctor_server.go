package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
)

// settings checks the server's settings for retention and durability.
func (d *diagnosis) settings(ctx context.Context, leader *connect.Connection) {
	const (
		retention  = "retention"
		durability = "durability"
		setCleaner = "set data_maintenance.messages.cleaner_enabled = true in the server's configuration (IGGY_DATA_MAINTENANCE_MESSAGES_CLEANER_ENABLED=true)"
		setFsync   = "set system.partition.messages_required_to_save = 1 and enforce_fsync = true in the server's configuration (IGGY_SYSTEM_PARTITION_…)"
	)
	found, err := readSettings(ctx, d.cluster.Iggy, leader)
	var status *iggyerr.StatusError
	switch {
	case errors.Is(err, errNoSettings):
		d.warn("settings", "the server does not disclose its settings",
			"by default it enforces no retention and may lose the last 1,024 acknowledged messages of each partition in a crash: "+setCleaner+"; "+setFsync)
		return
	case errors.As(err, &status):
		d.warn("settings", "unknown: "+strings.Join(describe(err), "; "), "grant read_servers, so that doctor can check retention and durability")
		return
	case err != nil:
		d.fail("settings", err, "look at the server's log")
		return
	}
	if found[embeddedSetting] != "" {
		d.warn("settings", "this is the embedded server: for development and tests, not for production", "run Apache Iggy 0.8 in production")
		return
	}
	if cleaner := found["data_maintenance.messages.cleaner_enabled"]; cleaner == "true" {
		d.ok(retention, "enforced")
	} else if len(d.bounded) > 0 {
		d.warn(retention, fmt.Sprintf("the server does not enforce it: %s grow without end", strings.Join(d.bounded, ", ")), setCleaner)
	}
	required, err := strconv.ParseUint(found["system.partition.messages_required_to_save"], 10, 64)
	switch {
	case err != nil:
		d.warn(durability, "the server does not disclose how many messages it buffers", setFsync)
	case required > 1:
		d.warn(durability, fmt.Sprintf("acknowledged messages may be lost: up to %d of each partition are only in the server's memory", required), setFsync)
	case found["system.partition.enforce_fsync"] != "true":
		d.warn(durability, "each message is written at once, but may be lost when the machine fails: enforce_fsync is off", setFsync)
	default:
		d.ok(durability, "each message is on disk before it is acknowledged")
	}
}
