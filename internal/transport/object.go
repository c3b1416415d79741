package transport

import "strconv"

// ObjectTopic names a topic in errors: "stream/topic".
func ObjectTopic(stream, topic string) string { return stream + "/" + topic }

// ObjectPartition names a partition in errors: "stream/topic/3".
func ObjectPartition(stream, topic string, partition uint32) string {
	return stream + "/" + topic + "/" + strconv.FormatUint(uint64(partition), 10)
}

// String names the group in errors.
func (g Group) String() string { return g.Stream + "/" + g.Topic + " group " + g.Name }

// Object names the consumer and the partition in errors; AnyPartition is left out.
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
