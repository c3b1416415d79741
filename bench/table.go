package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one line of the table.
type figure struct {
	name        string
	value       float64
	description string
	goal        goal
}

// goal is the bound that a figure should reach. The zero goal is none.
type goal struct {
	sign  string // ≥ or ≤
	bound float64
}

func atLeast(bound float64) goal { return goal{"≥", bound} }
func atMost(bound float64) goal  { return goal{"≤", bound} }

func (g goal) String() string {
	if g.sign == "" {
		return ""
	}
	return fmt.Sprintf("%s %g", g.sign, g.bound)
}

// verdict reports whether the figure reaches its goal.
func (f figure) verdict() string {
	switch {
	case f.goal.sign == "":
		return ""
	case f.goal.sign == "≥" && f.value >= f.goal.bound, f.goal.sign == "≤" && f.value <= f.goal.bound:
		return "met"
	default:
		return "MISSED"
	}
}

// table collects the figures.
type table struct{ figures []figure }

func (t *table) add(name string, value float64, what string, g goal) {
	t.figures = append(t.figures, figure{name, value, what, g})
}

func (t *table) write(out io.Writer, server string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d CPUs, %s/%s, server: %s\n\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, server)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "name\tvalue\tmust reach\t\twhat")
	for _, f := range t.figures {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.name, formatValue(f.value), f.goal, f.verdict(), f.description)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func formatValue(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

func (t *table) writeJSON(out io.Writer) error {
	object := make(map[string]float64, len(t.figures))
	for _, f := range t.figures {
		object[f.name] = math.Round(f.value*10_000) / 10_000
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(object)
}
