package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are the program's standard streams. A *os.File that is a terminal gets
// colours and progress bars, anything else gets plain text.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// terminal tells whether w is one that understands more than text, and its width
// in columns.
func terminal(w io.Writer) (width int, ok bool) {
	width, _, ok = screen(w)
	return width, ok
}

// screen is terminal with the height in lines.
func screen(w io.Writer) (width, height int, ok bool) {
	file, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	return width, height, true
}

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

// newPainter paints at terminals only, and never when NO_COLOR is set
// (https://no-color.org).
func newPainter(w io.Writer) painter {
	_, ok := terminal(w)
	return painter{ok && os.Getenv("NO_COLOR") == ""}
}

func (p painter) paint(c colour, text string) string {
	if !p.on || c == "" || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// interactive tells whether someone can be asked.
func interactive(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
