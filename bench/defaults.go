package main

// defaultsRows are the rows in which nothing is set but the group. There are 8 partitions, and
// messages of 512 bytes.
func defaultsRows() []row {
	async := defaultSending(groupDefaults, "`SendAsync` by key", base)
	async.oneInFlight = true
	bytes := defaultSending(groupDefaults, "`Publisher` by key, payloads", base)
	bytes.form = bytesForm
	proto := defaultSending(groupDefaults, "`Publisher` by key, protobuf", base)
	proto.form = protoForm
	messages := defaultConsuming(groupDefaults, "`Messages` and `Ack`", base)
	messages.delivery = byMessages
	return []row{
		async.row(),
		bytes.row(),
		proto.row(),
		waiting{groupDefaults, "`Send`, 1 caller", 1}.row(),
		waiting{groupDefaults, "`Send`, 64 callers", 64}.row(),

		defaultConsuming(groupDefaults, "`Handle`", base).row(),
		messages.row(),

		latency{groupDefaults, "one message every 200 ms", idleSchedule}.row(),
		latency{groupDefaults, "1,000 messages/s", busySchedule}.row(),
		latency{groupDefaults, "20,000 messages/s", loadedSchedule}.row(),
		idling{group: groupDefaults, name: "idle, 1 consumer", partitions: 8, consumers: 1}.row(),
		idling{group: groupDefaults, name: "idle, 64 consumers of one topic", partitions: 8, consumers: 64}.row(),
		idling{group: groupDefaults, name: "idle, 64 consumers of 64 topics", partitions: 8, consumers: 64, ownTopics: true}.row(),
	}
}
