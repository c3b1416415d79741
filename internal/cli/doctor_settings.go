package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// settings judges what the server is configured to do with messages.
func (x *examination) settings(ctx context.Context) {
	const (
		retention  = "retention"
		durability = "durability"
		setCleaner = "set data_maintenance.messages.cleaner_enabled = true in the server's configuration (IGGY_DATA_MAINTENANCE_MESSAGES_CLEANER_ENABLED=true)"
		setFsync   = "set system.partition.messages_required_to_save = 1 and enforce_fsync = true in the server's configuration (IGGY_SYSTEM_PARTITION_…)"
	)
	found, err := readSettings(ctx, x.cluster.Iggy)
	var status *iggyerr.StatusError
	switch {
	case errors.Is(err, errNoSettings):
		x.warn("settings", "the server does not tell its settings",
			"by default it enforces no retention and may lose the last 1,024 acknowledged messages of each partition in a crash: "+setCleaner+"; "+setFsync)
		return
	case errors.As(err, &status):
		x.warn("settings", "unknown: "+strings.Join(describe(err), "; "), "grant read_servers, to have doctor look at retention and durability")
		return
	case err != nil:
		x.fail("settings", err, "look at the server's log")
		return
	}
	if found[embeddedSetting] != "" {
		x.warn("settings", "this is the embedded server: for development and tests, not for production", "run Apache Iggy 0.8 in production")
		return
	}
	if cleaner := found["data_maintenance.messages.cleaner_enabled"]; cleaner == "true" {
		x.ok(retention, "enforced")
	} else if bounded := x.boundedTopics(); len(bounded) > 0 {
		x.warn(retention, fmt.Sprintf("the server does not enforce it: %s grow without end", strings.Join(bounded, ", ")), setCleaner)
	}
	required, err := strconv.ParseUint(found["system.partition.messages_required_to_save"], 10, 64)
	switch {
	case err != nil:
		x.warn(durability, "the server does not tell how many messages it holds back", setFsync)
	case required > 1:
		x.warn(durability, fmt.Sprintf("acknowledged messages may be lost: up to %d of each partition are only in the server's memory", required), setFsync)
	case found["system.partition.enforce_fsync"] != "true":
		x.warn(durability, "each message is written at once, but may be lost when the machine fails: enforce_fsync is off", setFsync)
	default:
		x.ok(durability, "each message is on disk before it is acknowledged")
	}
}

// boundedTopics are the topics that are configured not to keep everything.
func (x *examination) boundedTopics() []string {
	var names []string
	for _, short := range topicNames {
		t := topicSection(x.cluster.Topics, short)
		if t.Retention != config.RetentionForever || t.MaxSize > 0 {
			names = append(names, t.Name)
		}
	}
	return names
}
