package cli

import (
	"io"
	"os"
)

// colour is the number of an SGR foreground colour.
type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	cyan   colour = "36"
	grey   colour = "90"
)

// painter colours text for one stream; the zero painter leaves it as it is.
type painter struct{ on bool }

// newPainter returns a painter that colours text for terminals, unless NO_COLOR is set
// (https://no-color.org).
func newPainter(w io.Writer) painter {
	_, ok := terminal(w)
	return painter{ok && os.Getenv("NO_COLOR") == ""}
}

// paint returns the text in a colour.
func (p painter) paint(c colour, text string) string {
	if !p.on || c == "" || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}
