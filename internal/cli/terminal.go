package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminal reports whether w is a terminal with colours, and its width in columns.
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

// interactive reports whether r is a terminal, so that questions can be answered.
func interactive(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
