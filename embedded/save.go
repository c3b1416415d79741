package embedded

import (
	"errors"
	"time"

	"go.uber.org/zap"
)

// saveSettings say when messages are written to the directory. The defaults are those of the real
// server.
type saveSettings struct {
	// messages and bytes are the unsaved messages of a partition at which they are written.
	messages, bytes uint64
	// interval is the time after which they are written anyway. 0 means never.
	interval time.Duration
	// fsync says that a write reaches the disk before it is confirmed, and not only the system.
	fsync bool
}

func defaultSaveSettings() saveSettings {
	return saveSettings{messages: 1024, bytes: 1 << 20, interval: 30 * time.Second}
}

// each reports whether every message is written before it is confirmed.
func (s saveSettings) each() bool { return s.messages <= 1 }

// save writes the messages and offsets that are not written yet, with sync to the disk.
func (p *partition) save(sync bool) error {
	if p.files == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.setSaved(p.nextOffset, p.unsavedBytes)
		return nil
	}
	return errors.Join(p.saveMessages(sync), p.saveOffsets())
}

// setSaved notes that messages of this size, up to an offset, are saved. It needs the partition's
// lock.
func (p *partition) setSaved(until, size uint64) {
	p.savedUntil = until
	p.unsavedBytes -= size
	p.purged = purgedMessages{}
}

func (p *partition) saveMessages(sync bool) error {
	f := p.files
	f.mu.Lock()
	defer f.mu.Unlock()
	p.mu.Lock()
	base := p.savedUntil
	unsaved := p.unsavedBytes
	var pg page
	if p.savedUntil < p.nextOffset {
		p.readStored(p.savedUntil, uint32(min(p.nextOffset-p.savedUntil, 1<<31)), &pg)
	}
	first := p.firstOffset()
	p.mu.Unlock()
	if f.closed {
		return nil
	}
	var err error
	if pg.count > 0 {
		err = f.write(base, pg.parts, sync)
	}
	p.mu.Lock()
	p.saveFailed = err != nil
	if err == nil && pg.count > 0 {
		p.setSaved(base+uint64(pg.count), unsaved)
		p.applyRetention()
	}
	p.mu.Unlock()
	if err == nil && sync {
		err = f.sync()
	}
	if err != nil {
		return err
	}
	f.deleteBefore(first)
	return nil
}

// batch is a batch of messages that is appended to a partition.
type batch struct {
	data []byte
	ends []uint32
	now  uint64
	// status is the result, once done is set. Both are guarded by the lock of the files.
	status Status
	done   bool
}

// appendSaved stores a batch when it is written: only then it can be polled, and when the write
// fails nothing is left of it. Batches that arrive during a write are written together by the next
// one, with one fsync for all of them.
func (p *partition) appendSaved(b *batch) Status {
	p.mu.Lock()
	p.waiting = append(p.waiting, b)
	p.mu.Unlock()
	p.files.mu.Lock()
	defer p.files.mu.Unlock()
	if !b.done {
		p.writeWaiting()
	}
	return b.status
}

// writeWaiting writes all batches that wait. It needs the lock of the files, under which nothing
// else assigns offsets.
func (p *partition) writeWaiting() {
	f := p.files
	p.mu.Lock()
	batches := p.waiting
	p.waiting = nil
	base, closed := p.nextOffset, p.closed
	p.mu.Unlock()
	parts := make([][]byte, len(batches))
	next := base
	for i, b := range batches {
		b.stamp(next)
		parts[i] = b.data
		next += uint64(len(b.ends))
	}
	st := StatusPartitionNotFound
	if !closed && !f.closed {
		st = StatusOK
		if err := f.write(base, parts, p.saving.fsync); err != nil {
			f.store.logFailure("messages not written", err)
			st = StatusCannotSaveMessages
		}
	}
	p.mu.Lock()
	for _, b := range batches {
		b.status, b.done = st, true
		if st == StatusOK && !p.closed {
			p.appendToChunks(p.nextOffset, b.data, b.ends)
		}
	}
	if st == StatusOK {
		p.setSaved(p.nextOffset, 0)
		p.applyRetention()
	}
	first := p.firstOffset()
	p.mu.Unlock()
	if st == StatusOK {
		f.deleteBefore(first)
	}
}

// savePartitions writes the messages and offsets that are not written yet.
func (s *Server) savePartitions(sync bool) error {
	var all []*partition
	s.catalog.mu.RLock()
	s.catalog.eachTopic(func(t *topic) { all = append(all, t.partitions...) })
	s.catalog.mu.RUnlock()
	var errs []error
	for _, p := range all {
		errs = append(errs, p.save(sync))
	}
	return errors.Join(errs...)
}

// savePeriodically writes messages to the disk, as the real server does with default settings,
// until the server stops.
func (s *Server) savePeriodically() {
	if s.opts.save.interval <= 0 {
		return
	}
	tick := time.NewTicker(s.opts.save.interval)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			if err := s.savePartitions(true); err != nil {
				s.store.logFailure("messages not written", err)
			}
		}
	}
}

// logFailure logs the failure of a write, at most once a minute for each message.
func (st *store) logFailure(message string, err error) {
	st.failureMu.Lock()
	defer st.failureMu.Unlock()
	if now := time.Now(); now.Sub(st.failureLogged[message]) >= failureLogInterval {
		st.failureLogged[message] = now
		st.log.Error(message, zap.Error(err))
	}
}
