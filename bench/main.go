package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
)

// suite is a group of measurements.
type suite struct {
	name string
	run  func(context.Context, *bench) error
}

// suites are the suites in the order in which they run.
var suites = []suite{
	{"send", measureSending},
	{"sendgrowth", measureSendGrowth},
	{"allocs", measureAllocations},
	{"waiting", measureWaiting},
	{"stalled", measureStalled},
	{"poll", measurePolling},
	{"defaults", measureDefaults},
	{"wake", measureWaking},
	{"stuck", measureStuck},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) == 1 && args[0] == serveArgument {
		return serve(in, out)
	}
	log.SetOutput(io.Discard) // the SDK writes there
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print one JSON object instead of the table")
	quick := flags.Bool("quick", false, "measure a tenth, to check that everything works")
	only := flags.String("only", "", "the suites to run, separated by commas: "+strings.Join(suiteNames(), ","))
	profile := flags.String("cpuprofile", "", "write a CPU profile to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := selectSuites(*only)
	if err != nil {
		return err
	}
	target, err := connectServer(ctx)
	if err != nil {
		return err
	}
	defer target.close()
	b, err := newBench(target, *quick)
	if err != nil {
		return err
	}
	defer b.close()
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, s := range chosen {
		fmt.Fprintf(os.Stderr, "measuring %s\n", s.name)
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if *asJSON {
		return b.table.writeJSON(out)
	}
	return b.table.write(out, target.name)
}

func suiteNames() []string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return names
}

func selectSuites(only string) ([]suite, error) {
	if only == "" {
		return suites, nil
	}
	var chosen []suite
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(suites, func(s suite) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no suite %q: there are %s", name, strings.Join(suiteNames(), ", "))
		}
		chosen = append(chosen, suites[i])
	}
	return chosen, nil
}
