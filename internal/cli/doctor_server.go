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

// The settings with which the server keeps messages as their retention says, and once they are
// confirmed.
const (
	setCleaner = "set data_maintenance.messages.cleaner_enabled = true in the server's configuration (IGGY_DATA_MAINTENANCE_MESSAGES_CLEANER_ENABLED=true)"
	setFsync   = "set system.partition.messages_required_to_save = 1 and enforce_fsync = true in the server's configuration (IGGY_SYSTEM_PARTITION_…)"
)

// settings checks the server's settings.
func (d *diagnosis) settings(ctx context.Context, leader *connect.Connection) {
	found, err := readSettings(ctx, d.cluster.Iggy, leader)
	var status *iggyerr.StatusError
	switch {
	case errors.Is(err, errNoSettings):
		d.warn("settings", "the server does not disclose its settings",
			"by default it enforces no retention and may lose the last 1,024 confirmed messages of each partition in a crash: "+setCleaner+"; "+setFsync)
	case errors.As(err, &status):
		d.warn("settings", "unknown: "+strings.Join(describe(err), "; "), "grant read_servers, so that doctor can check retention and durability")
	case err != nil:
		d.fail("settings", err, "look at the server's log")
	case found[embeddedSetting] != "":
		d.warn("settings", "this is the embedded server: for development and tests, not for production", "run Apache Iggy 0.8 in production")
	default:
		d.retention(found)
		d.durability(found)
		d.deduplication(found)
	}
}

// retention checks that the server deletes what is older or more than its topic keeps.
func (d *diagnosis) retention(found serverSettings) {
	const check = "retention"
	if found[settingCleaner] == "true" {
		d.ok(check, "enforced")
	} else if len(d.bounded) > 0 {
		d.warn(check, fmt.Sprintf("the server does not enforce it: %s grow without end", strings.Join(d.bounded, ", ")), setCleaner)
	}
}

// durability checks that the server keeps confirmed messages.
func (d *diagnosis) durability(found serverSettings) {
	const check = "durability"
	required, err := strconv.ParseUint(found[settingRequired], 10, 64)
	switch {
	case err != nil:
		d.warn(check, "the server does not disclose how many messages it buffers", setFsync)
	case required > 1 && found[settingSaver] == "false":
		d.warn(check, fmt.Sprintf("confirmed messages may be lost: up to %d of each partition are only in the server's memory, for any time", required),
			"set message_saver.enabled = true (IGGY_MESSAGE_SAVER_ENABLED=true); "+setFsync)
	case required > 1:
		d.warn(check, fmt.Sprintf("confirmed messages may be lost: up to %d of each partition are only in the server's memory", required), setFsync)
	case found[settingFsync] != "true":
		d.warn(check, "each message is written at once, but may be lost when the machine fails: enforce_fsync is off", setFsync)
	default:
		d.ok(check, "each message is on disk before it is confirmed")
	}
}

// deduplication checks that the server drops no repeated ids: Iggy 0.8.0 ends when it tries to. A
// producer repeats the ids of messages whose answer was lost.
func (d *diagnosis) deduplication(found serverSettings) {
	if found[settingDeduplication] == "true" {
		d.fail("deduplication", errors.New("the server ends at the first message whose id it has stored before, which a retry sends"),
			"set system.message_deduplication.enabled = false in the server's configuration (IGGY_SYSTEM_MESSAGE_DEDUPLICATION_ENABLED=false); dedup_window of a consumer drops duplicates")
	}
}
