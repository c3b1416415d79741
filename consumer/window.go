package consumer

import (
	"sync"
	"sync/atomic"
)

// window bounds the messages that are with the application or on their way to
// it, over all partitions. Half of it is set aside in equal parts for the
// partitions, the other half goes to whom it may concern: one busy
// partition can use more than its share, and one that is stuck never takes
// the part of the others.
//
// Its lock may be taken while a partition's is held.
type window struct {
	mu       sync.Mutex
	limit    int
	used     int
	ghosts   int // those of used that are messages of lost partitions; memory.haunted are those of one
	parts    []*partition
	starving []*partition // those that found no room since the last release
	hungry   atomic.Bool  // starving is not empty
}

// free makes room of p free for its next messages, and tells whether others need it.
func (w *window) free(p *partition, n int) (hungry bool) {
	p.slack.Add(int64(n))
	return w.hungry.Load()
}

// members tells who shares the window.
func (w *window) members(parts []*partition) {
	w.mu.Lock()
	w.parts = parts
	w.mu.Unlock()
}

// take gives p room for up to want messages. With waits set, a p that finds
// none is remembered, and named by the next give.
func (w *window) take(p *partition, want int, waits bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.outOfWindow {
		return 0
	}
	room := w.room(p)
	if room == 0 && waits {
		// Whoever frees room looks afterwards whether someone is hungry. He may have looked already.
		w.hungry.Store(true)
		if room = w.room(p); room == 0 {
			if !p.starving.Swap(true) {
				w.starving = append(w.starving, p)
			}
			return 0
		}
		w.hungry.Store(len(w.starving) > 0)
	}
	got := min(want, room)
	w.used += got
	p.roomTaken += got
	return got
}

// room is what p may take. w.mu is held.
func (w *window) room(p *partition) int {
	for _, q := range w.parts {
		w.reclaim(q)
	}
	room := w.limit - w.used
	if reserve := w.reserve(); reserve > 0 {
		for _, q := range w.parts {
			if q != p {
				room -= max(0, reserve-q.roomTaken-q.memory.haunted)
			}
		}
	}
	return max(room, 0)
}

// reserve is what is set aside for each partition, of the window without the ghosts of
// partitions that are elsewhere now. A partition's own ghosts are in its part. w.mu is held.
func (w *window) reserve() int {
	n := len(w.parts)
	if n < 2 {
		return 0
	}
	limit := w.limit - w.ghosts
	for _, q := range w.parts {
		limit += q.memory.haunted
	}
	r := limit / (2 * n)
	if r == 0 && limit >= n {
		r = 1
	}
	return r
}

// reclaim takes back the room of q that is free. w.mu is held.
func (w *window) reclaim(q *partition) {
	if q.outOfWindow {
		return
	}
	n := int(q.slack.Swap(0))
	w.used -= n
	q.roomTaken -= n
}

// give takes back the free room of p, and returns the partitions that may look again.
func (w *window) give(p *partition) []*partition {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reclaim(p)
	return w.hungriest()
}

// hungriest gives those who found no room. w.mu is held.
func (w *window) hungriest() []*partition {
	waiting := w.starving
	w.starving = nil
	w.hungry.Store(false)
	for _, q := range waiting {
		q.starving.Store(false)
	}
	return waiting
}

// leave takes p out, with all the room that it has; but for that of its ghosts.
func (w *window) leave(p *partition, ghosts int) []*partition {
	waiting := w.give(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used += ghosts - p.roomTaken
	w.ghosts += ghosts
	p.memory.haunted += ghosts
	p.roomTaken, p.outOfWindow = 0, true
	return waiting
}

// dispel takes back the room of a ghost of p, and returns the partitions that may look again.
func (w *window) dispel(p *partition) []*partition {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used--
	w.ghosts--
	p.memory.haunted--
	return w.hungriest()
}

// haunted is how many ghosts there are.
func (w *window) haunted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ghosts
}
