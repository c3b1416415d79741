package consumer

import (
	"errors"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Standalone describes a consumer without a group.
type Standalone struct {
	// Name is the name under which offsets are stored. Without a name nothing is stored, and an
	// acknowledgement only makes room for the next messages.
	Name string
	// Partitions are the partitions to read; none means all, also those that are added later.
	Partitions []uint32
	// Start is where reading begins. The zero Position is Stored.
	Start Position
	// Starts are where reading begins in single partitions, in place of Start: for an application that
	// keeps the offsets itself.
	Starts map[uint32]Position
}

// startOf returns where reading of a partition begins.
func (s *Standalone) startOf(partition uint32) Position {
	if start, ok := s.Starts[partition]; ok {
		return start
	}
	return s.Start
}

// anonymousName is the name with which a standalone consumer without a name polls.
const anonymousName = "iggy-client"

// validate checks cfg, and the name of s if that is not nil: then the group of cfg is not used.
func (s *Standalone) validate(cfg *config.Consumer) error {
	if s == nil {
		return cfg.Validate()
	}
	cfg.Group = anonymousName
	err := cfg.Validate()
	if len(s.Name) > 255 {
		err = errors.Join(err, errors.New("standalone name: must have at most 255 bytes"))
	}
	return err
}
