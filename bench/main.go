package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags and arguments.
type options struct {
	rows    []row
	runs    int
	quick   bool
	list    bool
	compare bool
	files   []string // to compare
	json    string
	profile string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	group := flags.String("group", "", "measure one `group`: defaults, tuned or growth")
	only := flags.String("only", "", "measure the rows whose group/table/name matches this `regexp`")
	flags.BoolVar(&o.list, "list", false, "print the rows that would be measured, and exit")
	flags.BoolVar(&o.compare, "compare", false, "print the ratios in which two files of -json differ by more than 20 %, and exit")
	flags.IntVar(&o.runs, "runs", 1, "measure everything so many times, and print the best value and the median")
	flags.BoolVar(&o.quick, "quick", false, "measure in short rounds, to check that everything works")
	flags.StringVar(&o.json, "json", "", "also write the values of all runs to this `file`, as JSON")
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this `file`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.compare {
		if o.files = flags.Args(); len(o.files) != 2 {
			return o, errors.New("-compare takes two files that -json has written")
		}
		return o, nil
	}
	if flags.NArg() > 0 || o.runs < 1 {
		return o, errors.New("usage: bench [flags], with 1 run at least")
	}
	var pattern *regexp.Regexp
	if *only != "" {
		var err error
		if pattern, err = regexp.Compile(*only); err != nil {
			return o, fmt.Errorf("-only: %w", err)
		}
	}
	o.rows = selectRows(allRows(), *group, pattern)
	if len(o.rows) == 0 {
		return o, errors.New("no such row; -list prints them")
	}
	return o, nil
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if is, err := runChild(args, in, out); is {
		return err
	}
	log.SetOutput(io.Discard) // the SDK writes there
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.compare {
		return compareFiles(out, o.files[0], o.files[1])
	}
	if o.list {
		for _, r := range o.rows {
			if _, err := fmt.Fprintln(out, r.id()); err != nil {
				return err
			}
		}
		return nil
	}
	if o.profile != "" {
		file, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	r, failures := measureRows(ctx, o)
	if len(r.results) == 0 {
		return failures
	}
	if o.json != "" {
		file, err := os.Create(o.json)
		if err != nil {
			return errors.Join(failures, err)
		}
		failures = errors.Join(failures, r.writeJSON(file), file.Close())
	}
	return errors.Join(failures, r.writeMarkdown(out))
}

// measureRows measures the rows in each run. A row that fails does not end the run.
func measureRows(ctx context.Context, o options) (report, error) {
	target, err := connectServer(ctx)
	if err != nil {
		return report{}, err
	}
	defer target.close()
	l := fullLengths
	if o.quick {
		l = quickLengths
	}
	b, err := newBench(target, l)
	if err != nil {
		return report{}, err
	}
	defer b.close()
	version, err := b.version()
	if err != nil {
		return report{}, err
	}
	r := report{machine: describeMachine("Iggy "+version+" ("+target.name+")", o.runs, o.quick), results: make([]result, len(o.rows))}
	for i := range o.rows {
		r.results[i].row = o.rows[i]
	}
	var failures []error
	for range o.runs {
		for i := range r.results {
			one := &r.results[i]
			started := time.Now()
			c, err := one.measure(ctx, b)
			if ctx.Err() != nil {
				return r, errors.Join(append(failures, ctx.Err())...)
			}
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", one.id(), err))
			}
			one.runs = append(one.runs, c)
			fmt.Fprintf(os.Stderr, "%5.1f s  %s\n", time.Since(started).Seconds(), one.id())
		}
	}
	return r, errors.Join(failures...)
}
