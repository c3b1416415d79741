package embedded

import (
	"encoding/binary"
)

// addPartitions needs the catalog's lock for writing.
func (s *Server) addPartitions(t *topic, count uint32) {
	now := s.now()
	for range count {
		p := newPartition(uint32(len(t.partitions)), now, &s.opts)
		if s.store != nil {
			p.files = s.store.newFiles(s.store.newUID())
		}
		t.partitions = append(t.partitions, p)
	}
}

// updateGroups assigns the partitions again in every group, after their number has changed.
func (t *topic) updateGroups() {
	count := uint32(len(t.partitions))
	t.groups.each(func(id uint32, g *group) {
		g.mu.Lock()
		g.setPartitionCount(count)
		g.mu.Unlock()
		for _, p := range t.partitions {
			p.clearPolled(id)
		}
	})
}

// appendPartition writes `[u32 id][u64 created][u32 segments][u64 current offset][u64 bytes]
// [u64 messages]`.
func appendPartition(b []byte, p *partition, segments uint32) []byte {
	st := p.stats()
	b = binary.LittleEndian.AppendUint32(b, p.id)
	b = binary.LittleEndian.AppendUint64(b, p.created)
	b = binary.LittleEndian.AppendUint32(b, segments)
	b = binary.LittleEndian.AppendUint64(b, st.currentOffset)
	b = binary.LittleEndian.AppendUint64(b, st.size)
	return binary.LittleEndian.AppendUint64(b, st.messages)
}

// createPartitionsCount reads `[u32 count]`.
func (d *decoder) createPartitionsCount() uint32 {
	count := d.u32()
	if count == 0 || count > maxPartitionsPerRequest {
		d.reject(StatusTooManyPartitions)
	}
	return count
}

func (c *conn) createPartitions(t *topic, count uint32) Status {
	c.server.addPartitions(t, count)
	c.server.catalog.countChanges(2)
	t.updateGroups()
	return StatusOK
}

// deletePartitionsCount reads `[u32 count]`.
func (d *decoder) deletePartitionsCount() uint32 {
	count := d.u32()
	if count == 0 {
		d.reject(StatusTooManyPartitions)
	}
	return count
}

// deletePartitions deletes the partitions with the highest numbers.
func (c *conn) deletePartitions(t *topic, count uint32) Status {
	if uint64(count) > uint64(len(t.partitions)) {
		return StatusInvalidPartitionsCount
	}
	kept := len(t.partitions) - int(count)
	c.server.markDeleted(t.partitions[kept:])
	t.partitions = append([]*partition(nil), t.partitions[:kept]...)
	c.server.catalog.countChanges(2)
	t.updateGroups()
	return StatusOK
}

// deleteSegmentsRequest reads `[u32 partition][u32 count]` and returns the partition.
func (d *decoder) deleteSegmentsRequest() uint32 {
	partition := d.u32()
	d.u32()
	return partition
}

// deleteSegments deletes nothing. The real server deletes closed segments only, whose default size
// is 1 GiB. A partition of this server is one open segment. The real server looks for the partition
// before it checks the permission, so the check is here and not in the table.
func (c *conn) deleteSegments(t *topic, partition uint32) Status {
	if t.partition(partition) == nil {
		return StatusPartitionNotFound
	}
	if !c.allowedOnTopic(canManageTopic, t) {
		return StatusUnauthorized
	}
	return StatusOK
}

// flushUnsavedBuffer writes the messages that wait in memory to the file, and with sync to the
// disk.
func (c *conn) flushUnsavedBuffer(p *partition, sync bool) Status {
	if err := p.save(sync); err != nil {
		c.server.store.logFailure("messages not written", err)
		return StatusCannotSaveMessages
	}
	return StatusOK
}
