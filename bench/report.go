package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// result is the cells of a row in each run. A run in which it failed has none.
type result struct {
	row
	runs []cells
}

// report is what a run of the program prints.
type report struct {
	machine machine
	results []result
}

// values are the values of a cell in the runs that have one.
func (r result) values(c column) []float64 { return valuesOf(r.runs, c) }

func valuesOf(runs []cells, c column) []float64 {
	var values []float64
	for _, run := range runs {
		if v, ok := run[c]; ok {
			values = append(values, v)
		}
	}
	return values
}

// cell prints a cell: the value of one run, or the best one and the median of several.
func (r result) cell(l layout) string {
	values := r.values(l.column)
	if len(values) == 0 {
		return ""
	}
	best := slices.Min(values)
	if l.more {
		best = slices.Max(values)
	}
	text, middle := l.format(best), l.format(median(values))
	if len(values) > 1 && text != middle {
		text += " / " + middle
	}
	return text
}

// writeMarkdown prints the tables and the goals. docs/performance.md says how to read them.
func (r report) writeMarkdown(out io.Writer) error {
	var b strings.Builder
	m := r.machine
	fmt.Fprintf(&b, "Commit %s, %s, %s, server %s, %s.", m.Commit, m.Go, m.CPU, m.Server, m.Date)
	if m.Quick {
		b.WriteString(" Short rounds (`-quick`): the values show only that everything works.")
	}
	if m.Runs > 1 {
		fmt.Fprintf(&b, " Each cell has the best and the median of %d runs.", m.Runs)
	}
	b.WriteString("\n")
	for i, result := range r.results {
		if i > 0 && r.results[i-1].group == result.group && r.results[i-1].table == result.table {
			continue
		}
		fmt.Fprintf(&b, "\n### %s: %s\n\n", title(result.group), result.table)
		r.writeTable(&b, result.group, result.table)
	}
	r.writeGoals(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// writeTable prints one table, with the columns that one of its rows has.
func (r report) writeTable(b *strings.Builder, group, table string) {
	var rows []result
	for _, result := range r.results {
		if result.group == group && result.table == table {
			rows = append(rows, result)
		}
	}
	head, line := []string{"", "settings"}, []string{"---", "---"}
	var columns []layout
	for _, l := range layouts {
		if slices.ContainsFunc(rows, func(r result) bool { return len(r.values(l.column)) > 0 }) {
			columns = append(columns, l)
			head, line = append(head, l.title), append(line, "---:")
		}
	}
	writeLine(b, head)
	writeLine(b, line)
	for _, row := range rows {
		texts := []string{row.name, row.settings}
		for _, l := range columns {
			texts = append(texts, row.cell(l))
		}
		writeLine(b, texts)
	}
}

func writeLine(b *strings.Builder, texts []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(texts, " | "))
}

// verdict is a goal and what the rows say about it.
type verdict struct {
	Name   string  `json:"name"`
	Row    string  `json:"row"`
	Value  float64 `json:"value"` // the median of the runs
	Goal   string  `json:"goal"`
	Met    bool    `json:"met"`
	goal   goal
	values []float64
}

// verdicts compares the medians of the runs with the goals.
func (r report) verdicts(goals []goal) []verdict {
	var all []verdict
	for _, g := range goals {
		for _, result := range r.results {
			if result.id() != g.row {
				continue
			}
			if values := result.values(g.column); len(values) > 0 {
				value := median(values)
				all = append(all, verdict{Name: g.name, Row: g.row, Value: value, Goal: g.String(), Met: g.met(value), goal: g, values: values})
			}
		}
	}
	return all
}

func (r report) writeGoals(b *strings.Builder) {
	verdicts := r.verdicts(goals())
	if len(verdicts) == 0 {
		return
	}
	b.WriteString("\n### Goals\n\n")
	writeLine(b, []string{"", "goal", "median", "lowest to highest", "met"})
	writeLine(b, []string{"---", "---", "---:", "---:", "---"})
	for _, v := range verdicts {
		met := "yes"
		if !v.Met {
			met = "**no**"
		}
		between := ""
		if len(v.values) > 1 {
			between = v.goal.format(slices.Min(v.values)) + " to " + v.goal.format(slices.Max(v.values))
		}
		writeLine(b, []string{"`" + v.Name + "`", v.Goal, v.goal.format(v.Value), between, met})
	}
}

// file is the JSON form of a report.
type file struct {
	Machine machine   `json:"machine"`
	Rows    []fileRow `json:"rows"`
	Goals   []verdict `json:"goals"`
}

type fileRow struct {
	ID       string  `json:"id"`
	Settings string  `json:"settings"`
	Runs     []cells `json:"runs"`
}

// writeJSON prints everything as one JSON object.
func (r report) writeJSON(out io.Writer) error {
	f := file{Machine: r.machine, Goals: r.verdicts(goals())}
	for _, result := range r.results {
		f.Rows = append(f.Rows, fileRow{result.id(), result.settings, result.runs})
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(f)
}
