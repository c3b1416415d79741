package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressDelay is how long an operation takes before its progress bar appears.
const progressDelay = 500 * time.Millisecond

// progressBar is a progress bar at a terminal, and nothing elsewhere.
type progressBar struct {
	w     io.Writer
	began time.Time
	verb  string
	total int64
	width int
	bar   *progressbar.ProgressBar
}

// newProgressBar makes a bar up to total, which is -1 when it is unknown.
func newProgressBar(w io.Writer, verb string, total int64) *progressBar {
	p := &progressBar{w: w, began: time.Now(), verb: verb, total: total}
	if width, ok := terminal(w); ok {
		p.width = width
	}
	return p
}

// update sets the position, and how many are done.
func (p *progressBar) update(position int64, done int) {
	if p.width == 0 || time.Since(p.began) < progressDelay {
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

// clear removes the bar.
func (p *progressBar) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
