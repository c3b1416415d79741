package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// longWork is how long something takes before it gets a progress bar.
const longWork = 500 * time.Millisecond

// progress is a bar at a terminal, and nothing elsewhere.
type progress struct {
	w     io.Writer
	began time.Time
	verb  string
	total int64
	width int
	bar   *progressbar.ProgressBar
}

// newProgress counts up to total, which is -1 when no one knows.
func newProgress(w io.Writer, verb string, total int64) *progress {
	p := &progress{w: w, began: time.Now(), verb: verb, total: total}
	if width, ok := terminal(w); ok {
		p.width = width
	}
	return p
}

// at tells how far the work is, and how many are done.
func (p *progress) at(position int64, done int) {
	if p.width == 0 || time.Since(p.began) < longWork {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(p.total,
			progressbar.OptionSetWriter(p.w),
			// The text and the percentage take some 28 columns.
			progressbar.OptionSetWidth(min(40, max(5, p.width-28))),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	p.bar.Describe(fmt.Sprintf("%s %d", p.verb, done))
	if p.total >= 0 {
		_ = p.bar.Set64(min(position, p.total))
	} else {
		_ = p.bar.Add(1)
	}
}

// end clears the bar, so that the next line stands alone.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
