package transport

import "strconv"

// ObjectTopic returns the name of a topic in errors: "stream/topic".
func ObjectTopic(stream, topic string) string { return stream + "/" + topic }

// ObjectPartition returns the name of a partition in errors: "stream/topic/3".
func ObjectPartition(stream, topic string, partition uint32) string {
	return stream + "/" + topic + "/" + strconv.FormatUint(uint64(partition), 10)
}

// String returns the name of the group in errors.
func (g Group) String() string { return g.Stream + "/" + g.Topic + " group " + g.Name }

// Object returns the name of the consumer and the partition in errors, without the partition for
// AnyPartition.
func (c Consumer) Object(partition int64) string {
	s := c.Stream + "/" + c.Topic
	if partition != AnyPartition {
		s += "/" + strconv.FormatInt(partition, 10)
	}
	if c.Group {
		return s + " group " + c.Name
	}
	return s + " consumer " + c.Name
}
