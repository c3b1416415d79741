package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressDelay is how long an operation takes before its progress bar appears.
const progressDelay = 500 * time.Millisecond

// progressInterval is how often a progress bar is drawn at most.
const progressInterval = 100 * time.Millisecond

// progressBar is a progress bar at a terminal, and nothing elsewhere.
type progressBar struct {
	w     io.Writer
	began time.Time
	verb  string
	total int64
	width int
	drawn time.Time
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

// update sets the position, which counts only with a total, and how many are done.
func (p *progressBar) update(position int64, done int) {
	if p == nil || p.width == 0 || time.Since(p.began) < progressDelay || time.Since(p.drawn) < progressInterval {
		return
	}
	p.drawn = time.Now()
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(p.total,
			progressbar.OptionSetWriter(p.w),
			// The text and the percentage take some 28 columns.
			progressbar.OptionSetWidth(min(40, max(5, p.width-28))),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine that draws, also after clear
			// The whole line is cleared, with the ^C that the terminal shows behind the bar.
			progressbar.OptionUseANSICodes(true),
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
