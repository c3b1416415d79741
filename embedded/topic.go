package embedded

import (
	"encoding/binary"
	"errors"
	"math"
	"sync"

	"go.uber.org/zap"
)

const (
	maxPartitionsPerRequest = 1000
	// minTopicSize is the default size of a segment of the real server, which accepts no lower size
	// limit of a new topic.
	minTopicSize = 1 << 30
)

// topic is a topic. Its expiry and its size limit are stored and shown, but not enforced, as with
// the default configuration of the real server.
type topic struct {
	id          uint32
	stream      *stream
	name        string
	created     uint64
	expiry      uint64
	compression uint8
	maxSize     uint64
	replication uint8
	// requestedExpiry and requestedMaxSize are the values of the request, 0 for the default.
	requestedExpiry  uint64
	requestedMaxSize uint64
	partitions       []*partition
	groups           slab[group]
	groupsByName     map[string]*group
	// nextBalanced is the partition of the next send that leaves the choice to the server. It has a
	// lock of its own because sends hold the catalog's lock for reading only.
	nextBalancedMu sync.Mutex
	nextBalanced   int
}

// topicSettings are the fields that the commands CreateTopic and UpdateTopic have in common.
type topicSettings struct {
	compression uint8
	expiry      uint64
	maxSize     uint64
	replication uint8
	name        string
}

// topicSettings reads `[u8 compression][u64 expiry][u64 max size][u8 replication][name]`.
func (d *decoder) topicSettings() topicSettings {
	s := topicSettings{
		compression: d.u8(), expiry: d.u64(), maxSize: d.u64(), replication: d.u8(), name: d.name(),
	}
	if s.compression != 1 && s.compression != 2 {
		d.reject(StatusInvalidCommand)
	}
	return s
}

// addTopic needs the lock of the catalog for writing.
func (s *stream) addTopic(settings topicSettings, now uint64) *topic {
	t := &topic{stream: s, created: now, groupsByName: map[string]*group{}}
	t.setSettings(settings)
	t.id = s.topics.insert(t)
	s.topicsByName[t.name] = t
	return t
}

func (t *topic) setSettings(s topicSettings) {
	t.name, t.compression, t.expiry, t.maxSize = s.name, s.compression, s.expiry, s.maxSize
	t.requestedExpiry, t.requestedMaxSize = s.expiry, s.maxSize
	t.replication = max(s.replication, 1)
}

func (t *topic) findGroup(id identifier) *group {
	if id.named {
		return t.groupsByName[id.name]
	}
	return t.groups.get(id.id)
}

// partition returns nil for a number that does not exist.
func (t *topic) partition(id uint32) *partition {
	if uint64(id) >= uint64(len(t.partitions)) {
		return nil
	}
	return t.partitions[id]
}

// nextBalancedPartition returns one partition after the other. The topic must have partitions.
func (t *topic) nextBalancedPartition() uint32 {
	t.nextBalancedMu.Lock()
	defer t.nextBalancedMu.Unlock()
	n := len(t.partitions)
	current := t.nextBalanced % n
	t.nextBalanced = (t.nextBalanced + 1) % n
	return uint32(current)
}

// totals sums bytes and messages.
func (t *topic) totals() (size, messages uint64) {
	for _, p := range t.partitions {
		st := p.stats()
		size += st.size
		messages += st.messages
	}
	return size, messages
}

func (t *topic) purge(savedOnly bool) error {
	var errs []error
	for _, p := range t.partitions {
		errs = append(errs, p.purge(savedOnly))
	}
	return errors.Join(errs...)
}

// appendTopic writes `[u32 id][u64 created][u32 partitions][u64 expiry][u8 compression]
// [u64 max size][u8 replication][u64 bytes][u64 messages][name]`. The expiry is in microseconds.
// The largest number means that there is no expiry or no limit.
func appendTopic(b []byte, t *topic) []byte {
	size, messages := t.totals()
	b = binary.LittleEndian.AppendUint32(b, t.id)
	b = binary.LittleEndian.AppendUint64(b, t.created)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.partitions)))
	b = binary.LittleEndian.AppendUint64(b, t.expiry)
	b = append(b, t.compression)
	b = binary.LittleEndian.AppendUint64(b, t.maxSize)
	b = append(b, t.replication)
	b = binary.LittleEndian.AppendUint64(b, size)
	b = binary.LittleEndian.AppendUint64(b, messages)
	return appendName(b, t.name)
}

// getTopic answers the topic followed by its partitions.
func (c *conn) getTopic(t *topic, _ none) Status {
	c.appendTopicDetails(t, 1)
	return StatusOK
}

// appendTopicDetails writes a topic and its partitions, each with this number of segments.
func (c *conn) appendTopicDetails(t *topic, segments uint32) {
	c.out = appendTopic(c.out, t)
	for _, p := range t.partitions {
		c.out = appendPartition(c.out, p, segments)
	}
}

// getTopics answers the topics of a stream, without their partitions.
func (c *conn) getTopics(s *stream, _ none) Status {
	s.topics.each(func(_ uint32, t *topic) { c.out = appendTopic(c.out, t) })
	return StatusOK
}

type createTopicRequest struct {
	partitions uint32
	settings   topicSettings
}

// createTopicRequest reads `[u32 partitions]` and the settings.
func (d *decoder) createTopicRequest() createTopicRequest {
	partitions := d.u32()
	if partitions > maxPartitionsPerRequest {
		d.reject(StatusTooManyPartitions)
	}
	return createTopicRequest{partitions: partitions, settings: d.topicSettings()}
}

// createTopic answers the new topic with its partitions. An expiry or a size limit of 0 means the
// default of the server, which is none.
func (c *conn) createTopic(s *stream, r createTopicRequest) Status {
	if r.settings.maxSize != 0 && r.settings.maxSize < minTopicSize {
		return StatusInvalidTopicSize
	}
	if s.topicsByName[r.settings.name] != nil {
		return StatusTopicExists
	}
	t := s.addTopic(r.settings, c.server.now())
	if t.expiry == 0 {
		t.expiry = math.MaxUint64
	}
	if t.maxSize == 0 {
		t.maxSize = math.MaxUint64
	}
	c.server.catalog.countChanges(1 + min(int(r.partitions), 1))
	c.server.addPartitions(t, r.partitions)
	c.appendTopicDetails(t, 0)
	return StatusOK
}

// updateTopic stores new settings. Unlike createTopic it takes 0 and a small size as they are, as
// does the real server.
func (c *conn) updateTopic(t *topic, settings topicSettings) Status {
	topics := t.stream.topicsByName
	if other := topics[settings.name]; other != nil && other != t {
		return StatusTopicExists
	}
	c.server.catalog.countChanges(1)
	delete(topics, t.name)
	t.setSettings(settings)
	topics[t.name] = t
	return StatusOK
}

func (c *conn) deleteTopic(t *topic, _ none) Status {
	c.server.markDeleted(t.partitions)
	s := t.stream
	s.topics.remove(t.id)
	delete(s.topicsByName, t.name)
	c.server.catalog.countChanges(1)
	c.server.clients.removeGroups(func(r groupRef) bool { return r.stream == s.id && r.topic == t.id })
	return StatusOK
}

// purgeTopic deletes the messages and offsets of a topic.
func (c *conn) purgeTopic(t *topic, _ none) Status {
	return c.purgeStatus(t.purge(c.server.opts.purgeSavedOnly))
}

// purgeStatus returns the answer to a purge that failed with err, if it is not nil.
func (c *conn) purgeStatus(err error) Status {
	if err != nil {
		c.server.log.Error("messages not deleted", zap.Error(err))
		return StatusIOError
	}
	return StatusOK
}
