package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// agreement is how far a ratio of one day may be from that of another.
const agreement = 0.2

// isRatio reports whether a column is the ratio of two values of a row, so that two days should agree.
func (c column) isRatio() bool {
	return strings.HasPrefix(string(c), "to_") || strings.Contains(string(c), "_to_")
}

// writeComparison prints the ratios in which two reports differ by more than agreement.
func writeComparison(out io.Writer, before, after file) error {
	var b strings.Builder
	for _, f := range []file{before, after} {
		m := f.Machine
		fmt.Fprintf(&b, "- commit %s, %s, %s, server %s, %s, runs: %d\n", m.Commit, m.Go, m.CPU, m.Server, m.Date, m.Runs)
	}
	rows := map[string]fileRow{}
	for _, r := range before.Rows {
		rows[r.ID] = r
	}
	var lines [][]string
	compared := 0
	for _, r := range after.Rows {
		for _, l := range layouts {
			was, is := valuesOf(rows[r.ID].Runs, l.column), valuesOf(r.Runs, l.column)
			if !l.column.isRatio() || len(was) == 0 || len(is) == 0 {
				continue
			}
			compared++
			if change := median(is)/median(was) - 1; math.Abs(change) > agreement {
				lines = append(lines, []string{r.ID, l.title, l.format(median(was)), l.format(median(is)), fmt.Sprintf("%+.0f %%", change*100)})
			}
		}
	}
	fmt.Fprintf(&b, "\n%d of %d ratios agree within %g %%.\n", compared-len(lines), compared, agreement*100)
	if len(lines) > 0 {
		b.WriteString("\n")
		writeLine(&b, []string{"", "ratio", "before", "after", "change"})
		writeLine(&b, []string{"---", "---", "---:", "---:", "---:"})
		for _, l := range lines {
			writeLine(&b, l)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// compareFiles prints the comparison of two files that -json has written.
func compareFiles(out io.Writer, before, after string) error {
	var files [2]file
	for i, name := range []string{before, after} {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &files[i]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return writeComparison(out, files[0], files[1])
}
