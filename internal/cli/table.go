package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// table is text in columns. At a terminal that is too narrow for it each row becomes a block of
// lines instead.
type table struct {
	header []string
	rows   [][]cell
}

// cell is a text in a colour; the zero colour is the terminal's own.
type cell struct {
	text   string
	colour colour
}

// row adds a row. Each cell is a cell, or a value in its default format.
func (t *table) row(cells ...any) {
	row := make([]cell, len(cells))
	for i, c := range cells {
		if coloured, ok := c.(cell); ok {
			row[i] = coloured
		} else {
			row[i].text = fmt.Sprint(c)
		}
	}
	t.rows = append(t.rows, row)
}

// dropEmpty drops the columns without any text.
func (t *table) dropEmpty() {
	for i := range slices.Backward(t.header) {
		if slices.ContainsFunc(t.rows, func(row []cell) bool { return row[i].text != "" }) {
			continue
		}
		t.header = slices.Delete(t.header, i, i+1)
		for n := range t.rows {
			t.rows[n] = slices.Delete(t.rows[n], i, i+1)
		}
	}
}

// shrinkLast cuts the texts of the last column to fit the stream, unless fewer than least characters
// of a line would be left for it.
func (t *table) shrinkLast(stream io.Writer, least int) {
	widths, total := t.widths()
	width, ok := terminal(stream)
	last := len(widths) - 1
	room := widths[last] - (total - width)
	if !ok || total <= width || room < max(least, utf8.RuneCountInString(t.header[last])) {
		return
	}
	for _, row := range t.rows {
		row[last].text = truncate(row[last].text, room)
	}
}

// print writes the table to w as stream, which may be a terminal, can show it.
func (t *table) print(w, stream io.Writer) error {
	paint := newPainter(stream)
	var b strings.Builder
	if t.fits(stream) {
		widths, _ := t.widths()
		t.columns(&b, paint, widths)
	} else {
		t.blocks(&b, paint)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fits reports whether the stream is wide enough for the columns.
func (t *table) fits(stream io.Writer) bool {
	_, total := t.widths()
	width, ok := terminal(stream)
	return !ok || total <= width
}

// widths are the widths of the columns, and of a line.
func (t *table) widths() (widths []int, total int) {
	widths = make([]int, len(t.header))
	total = 2 * (len(t.header) - 1)
	for i, h := range t.header {
		widths[i] = utf8.RuneCountInString(h)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
		total += widths[i]
	}
	return widths, total
}

func (t *table) columns(b *strings.Builder, paint painter, widths []int) {
	header := make([]cell, len(t.header))
	for i, h := range t.header {
		header[i] = cell{strings.ToUpper(h), grey}
	}
	for _, row := range append([][]cell{header}, t.rows...) {
		for i, c := range row {
			b.WriteString(paint.paint(c.colour, c.text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		b.WriteByte('\n')
	}
}

func (t *table) blocks(b *strings.Builder, paint painter) {
	for n, row := range t.rows {
		if n > 0 {
			b.WriteByte('\n')
		}
		for i, c := range row {
			if c.text != "" {
				b.WriteString(paint.paint(grey, t.header[i]+": ") + paint.paint(c.colour, c.text) + "\n")
			}
		}
	}
}
