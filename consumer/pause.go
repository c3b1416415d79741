package consumer

// Pause stops the delivery of a partition's messages, whether the partition is assigned now or
// later, until Resume. Messages in flight are not affected.
func (c *Consumer[T]) Pause(partition uint32) { c.e.machine.Pause(partition) }

// Resume ends a Pause.
func (c *Consumer[T]) Resume(partition uint32) { c.e.machine.Resume(partition) }
