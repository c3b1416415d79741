package fetch

// Room is a partition's part of the limit on prefetched bytes. This is where that limit blocks: a
// poll is made only after its answer has room, and a cursor without room is woken when there is
// more. The room of a batch is given back when all of its messages are settled.
type Room interface {
	// Take takes up to want bytes and at least least, or none. A cursor that holds none always gets
	// least.
	Take(want, least int) int
	// Give gives n bytes back.
	Give(n int)
}

// maxPollBytes bounds the expected size of an answer: a poll asks for as many messages of the average
// size as have so many bytes together, and for at least one. The memory of larger answers is in no
// cache, and the server allocates it anew for each. Measured on Iggy 0.8.0 with 8 partitions and
// messages of 1 MB: with answers of 4 MiB, the server takes 0.95 ms of CPU for a message in place of
// 0.4, and the consumer is a third as fast and needs nine times the heap.
const maxPollBytes = 2 << 20

// reserve takes room for the answer of p, and sets how many messages p asks for by it; false when
// there is no room. c.mu is held.
func (c *Cursor) reserve(p *poll) bool {
	average, limit := c.history.learned()
	// An answer should not be cut off because some of its messages are a little larger.
	each := average + average/16
	count := min(c.fetcher.cfg.BatchSize, limit, max(1, maxPollBytes/each))
	if p.reserved = c.room.Take(count*each, each); p.reserved <= 0 {
		return false
	}
	p.count = max(1, min(count, p.reserved/each))
	p.maxBytes = p.reserved
	if p.byTime != nil {
		// Without a bound in bytes, which might leave nothing but messages that are skipped, or the
		// remains that transport.DropSuperseded describes.
		p.count, p.maxBytes = p.byTime.count(p.count), 0
	}
	return true
}
