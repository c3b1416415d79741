// Package admission decides when a download may begin. A slow host, a host that asks for time and a
// large job each use only a part of a worker's places, so that other downloads continue.
package admission

import (
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits are those of one process.
type Limits struct {
	// PerHost and PerJob are the downloads at the same time.
	PerHost, PerJob int
	// HostRate is the downloads that begin in a second, by host. 0 means no limit.
	HostRate int
}

// Admission counts the downloads of hosts and jobs. It is safe for concurrent use.
type Admission struct {
	limits Limits

	mu   sync.Mutex
	byID map[id]*group
	most int // groups before those are dropped that are like new ones
}

type id struct{ kind, name string }

// group is the downloads of a host or of a job.
type group struct {
	limit   int
	running int
	rate    *rate.Limiter // nil: no limit
	mean    time.Duration // how long a download takes
	paused  time.Time     // until then the host wants no request
	next    time.Time     // when the last download that was put off is to ask again
}

const (
	// minGroups is the number of groups up to which none is dropped.
	minGroups = 1024
	// firstMean is the duration of a download before one has ended.
	firstMean = 10 * time.Millisecond
	// minWait and maxWait bound the wait for other downloads.
	minWait = 5 * time.Millisecond
	maxWait = 5 * time.Second
)

// New returns an Admission with the given limits.
func New(limits Limits) *Admission {
	return &Admission{limits: limits, byID: map[id]*group{}, most: minGroups}
}

// Download is a download that was admitted.
type Download struct {
	admission *Admission
	groups    []*group // the host's is the first
	begin     time.Time
}

// Begin admits a download of a job from a host, or returns how long it has to wait before it asks
// again: until the host wants requests, or the downloads before it are about done.
func (a *Admission) Begin(job, host string) (*Download, time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	groups := []*group{a.group(id{"host", host}, now), a.group(id{"job", job}, now)}
	for _, g := range groups {
		if wait := g.wait(now); wait > 0 {
			return nil, wait
		}
	}
	if limiter := groups[0].rate; limiter != nil && !limiter.AllowN(now, 1) {
		return nil, groups[0].backlog(now)
	}
	for _, g := range groups {
		g.running++
	}
	return &Download{a, groups, now}, 0
}

// End ends a download. After retryAfter the host wants requests again; 0 means that it does.
func (d *Download) End(retryAfter time.Duration) {
	d.admission.mu.Lock()
	defer d.admission.mu.Unlock()
	now := time.Now()
	for _, g := range d.groups {
		g.running--
		g.mean += (now.Sub(d.begin) - g.mean) / 8
	}
	if until := now.Add(retryAfter); retryAfter > 0 && until.After(d.groups[0].paused) {
		d.groups[0].paused = until
	}
}

// group returns the group with an id.
func (a *Admission) group(of id, now time.Time) *group {
	g := a.byID[of]
	if g == nil {
		a.drop(now)
		g = &group{limit: a.limits.PerJob, mean: firstMean}
		if of.kind == "host" {
			g.limit = a.limits.PerHost
			if a.limits.HostRate > 0 {
				g.rate = rate.NewLimiter(rate.Limit(a.limits.HostRate), a.limits.HostRate)
			}
		}
		a.byID[of] = g
	}
	return g
}

// drop drops the groups that are like new ones, when there are many.
func (a *Admission) drop(now time.Time) {
	if len(a.byID) < a.most {
		return
	}
	for of, g := range a.byID {
		if g.running == 0 && now.After(g.paused) && (g.rate == nil || g.rate.TokensAt(now) >= float64(a.limits.HostRate)) {
			delete(a.byID, of)
		}
	}
	a.most = max(minGroups, 2*len(a.byID))
}

// wait returns how long a download has to wait; 0 when there is room for it.
func (g *group) wait(now time.Time) time.Duration {
	switch {
	case g.paused.After(now):
		return g.paused.Sub(now) + g.backlog(now)
	case g.running >= g.limit:
		return g.backlog(now)
	}
	return 0
}

// backlog returns about the time that the downloads take which were put off before, and spreads those
// that are put off at the same time.
func (g *group) backlog(now time.Time) time.Duration {
	each := g.mean / time.Duration(g.limit)
	if g.rate != nil {
		each = max(each, time.Duration(float64(time.Second)/float64(g.rate.Limit())))
	}
	if g.next.Before(now) {
		g.next = now
	}
	if latest := now.Add(maxWait); g.next.Before(latest) {
		g.next = g.next.Add(each)
	}
	wait := min(max(g.next.Sub(now), minWait), maxWait)
	return time.Duration(float64(wait) * (0.75 + rand.Float64()/2))
}
