package consumer

import (
	"sync"
	"time"
)

// problems is the latest error of a consumer.
type problems struct {
	mu  sync.Mutex
	err error
	at  time.Time
}

func (p *problems) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.at = err, time.Now()
}

func (p *problems) last() (at time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at, p.err
}
