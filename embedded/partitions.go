package embedded

// addPartitions needs the catalog's lock for writing.
func (s *Server) addPartitions(t *topic, count uint32) {
	now := s.now()
	for range count {
		p := newPartition(uint32(len(t.partitions)), now, s.opts.retention)
		if s.store != nil {
			p.files = s.store.newFiles(s.store.newUID())
		}
		t.partitions = append(t.partitions, p)
	}
}

// resizeGroups deals the partitions again in every group, after their number has changed.
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

// createPartitions reads `[identifier stream][identifier topic][u32 count]`.
func (c *conn) createPartitions(d *decoder) Status {
	streamID, topicID, count := d.identifier(), d.identifier(), d.u32()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if count == 0 || count > maxPartitionsPerRequest {
		return StatusTooManyPartitions
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	t, st := c.topic(streamID, topicID, canManageTopic)
	if st != StatusOK {
		return st
	}
	c.server.addPartitions(t, count)
	cat.countChanges(2)
	t.updateGroups()
	return StatusOK
}

// deletePartitions reads `[identifier stream][identifier topic][u32 count]` and deletes from the end.
func (c *conn) deletePartitions(d *decoder) Status {
	streamID, topicID, count := d.identifier(), d.identifier(), d.u32()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if count == 0 {
		return StatusTooManyPartitions
	}
	cat := c.server.catalog
	cat.mu.Lock()
	defer cat.mu.Unlock()
	t, st := c.topic(streamID, topicID, canManageTopic)
	if st != StatusOK {
		return st
	}
	if uint64(count) > uint64(len(t.partitions)) {
		return StatusInvalidPartitionsCount
	}
	keep := len(t.partitions) - int(count)
	c.server.markDeleted(t.partitions[keep:])
	t.partitions = append([]*partition(nil), t.partitions[:keep]...)
	cat.countChanges(2)
	t.updateGroups()
	return StatusOK
}

// deleteSegments reads `[identifier stream][identifier topic][u32 partition][u32 count]`. The real server deletes sealed
// segments only, of 1 GiB by default; a partition here is one open segment, so that nothing is ever deleted.
func (c *conn) deleteSegments(d *decoder) Status {
	streamID, topicID := d.identifier(), d.identifier()
	partitionID := d.u32()
	d.u32()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	t, st := cat.findTopic(streamID, topicID)
	if st != StatusOK {
		return st
	}
	if t.partition(partitionID) == nil {
		return StatusPartitionNotFound
	}
	if !c.allowed(canManageTopic(t.stream.id, t.id)) {
		return StatusUnauthorized
	}
	return StatusOK
}
