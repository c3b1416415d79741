package consumer

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/park"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// settings are what a consumer is configured to do. They never change.
type settings struct {
	name          string
	cfg           config.Consumer
	log           *zap.Logger
	identity      transport.Consumer
	standalone    Standalone
	cipher        topic.HeaderCipher // nil: headers are not encrypted
	storesOffsets bool
	atMostOnce    bool        // messages are acknowledged when they are read
	delays        park.Delays // of parked messages, where those are read
}

func newSettings(cfg config.Consumer, o *options, log *zap.Logger, who transport.Consumer) settings {
	s := settings{
		name: telemetry.QualifiedName(o.cluster, o.name), cfg: cfg, log: log, identity: who, cipher: o.cipher,
		storesOffsets: true, atMostOnce: cfg.AckMode == config.AckOnPoll,
	}
	if o.standalone == nil {
		s.identity.Name, s.identity.Group = cfg.Group, true
		s.log = log.With(zap.String("group", cfg.Group))
		return s
	}
	s.standalone, s.storesOffsets = *o.standalone, o.standalone.Name != ""
	if s.identity.Name = o.standalone.Name; s.identity.Name == "" {
		s.identity.Name = anonymousName
	}
	return s
}

// group is the group, or the name of a standalone consumer; empty for one without a name.
func (s *settings) group() string {
	if !s.identity.Group {
		return s.standalone.Name
	}
	return s.identity.Name
}

// groups are the groups of which the consumer becomes a member.
func (s *settings) groups() []string {
	if !s.identity.Group {
		return nil
	}
	return s.cfg.Groups()
}

// object names a partition.
func (s *settings) object(id uint32) string {
	return fmt.Sprintf("%s/%s/%d", s.identity.Stream, s.identity.Topic, id)
}
