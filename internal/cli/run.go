package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// Run runs the program with its arguments, without its name, and returns the exit code: 0, 1 after
// a failure, 2 after an error of the command line or the configuration. When ctx ends, commands
// stop cleanly and print what they did.
func Run(ctx context.Context, streams Streams, args []string) int {
	a := &app{in: streams.In, out: checkedWriter{streams.Out}, err: streams.Err, streams: streams}
	return report(a.err, a.run(ctx, args))
}

// app is one run of the program.
type app struct {
	in       io.Reader
	out, err io.Writer
	streams  Streams

	configFile string
	prefix     string
	endpoint   string
	cluster    string
	output     string
	verbose    bool
	// configured is the configuration of the cluster when a caller gives it in place of flags, files
	// and variables.
	configured *config.Cluster
}

func (a *app) run(ctx context.Context, args []string) error {
	root := a.rootCommand()
	root.SetArgs(args)
	err := callback.Recover(func() error { return root.ExecuteContext(ctx) })
	if isInterrupt(ctx, err) {
		return errInterrupted
	}
	return err
}

// rootCommand is the program's command with all subcommands.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fetchbox-iggy-cli",
		Short: "Publish, read and replay messages on Apache Iggy, and manage topics and groups",
		Long: `Publish, read and replay messages on Apache Iggy, and manage topics and groups.

The tool reads the configuration of the services: defaults, then the file of
--config or FETCHBOX_CONFIG, then variables such as FETCHBOX__IGGY__CLIENT_ID.
--prefix SHOP reads SHOP_CONFIG and SHOP__IGGY__CLIENT_ID. It ignores sections,
topics and consumers that services declare for themselves. An unknown section
whose name is similar to that of a missing one is an error.

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration.`,
		Version:           version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              noArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkGlobalFlags() },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", "", "configuration `file` (default: the one that PREFIX_CONFIG names)")
	flags.StringVar(&a.prefix, "prefix", jobs.Prefix, "`prefix` of environment variables: that of the services whose configuration is read")
	flags.StringVar(&a.endpoint, "endpoint", "", "`url` of the servers: iggy://[user:password@]host:port[,host:port…], in place of iggy.endpoint")
	flags.StringVar(&a.cluster, "cluster", "", "`name` of a cluster in the configuration (default: the unnamed one)")
	flags.StringVarP(&a.output, "output", "o", "text", "`format` of the output: text or json")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "log what the library does, to standard error")
	completeFlag(root, "output", fixed(outputs...))
	completeFlag(root, "cluster", a.completeClusters)
	completeFlag(root, "prefix", cobra.NoFileCompletions)
	completeFlag(root, "endpoint", cobra.NoFileCompletions)
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	root.AddGroup(
		&cobra.Group{ID: "messages", Title: "Messages:"},
		&cobra.Group{ID: "operations", Title: "Operations:"},
		&cobra.Group{ID: "development", Title: "Development:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
			if c.ValidArgsFunction == nil {
				c.ValidArgsFunction = cobra.NoFileCompletions
			}
		}
	}
	add("messages", a.publishCommand(), a.tailCommand(), a.publishTaskCommand(), a.publishStatusCommand(), a.publishLogCommand(), a.tailStatusCommand(), a.tailLogsCommand(), a.tailTasksCommand(), a.dlqCommand())
	add("operations", a.topicsCommand(), a.groupsCommand(), a.lagCommand(), a.offsetsCommand(), a.provisionCommand(), a.pingCommand(), a.doctorCommand())
	add("development", a.serveCommand())
	return root
}

var outputs = []string{"text", "json"}

// checkGlobalFlags checks the flags that all commands have.
func (a *app) checkGlobalFlags() error {
	if !slices.Contains(outputs, a.output) {
		return usagef("--output must be text or json, not %q", a.output)
	}
	return nil
}

func (a *app) json() bool { return a.output == "json" }

// noArgs refuses arguments. An argument of a command with subcommands is an unknown command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		hint := ""
		cmd.SuggestionsMinimumDistance = 2
		if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
			hint = fmt.Sprintf("; did you mean %q?", similar[0])
		}
		return usagef("unknown command %q for %s%s", args[0], cmd.CommandPath(), hint)
	}
	return usagef("%s takes no argument, but was given %q", cmd.CommandPath(), args[0])
}

// oneTopic requires one argument, the topic.
func oneTopic(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s takes one topic, such as shop/orders", cmd.CommandPath())
	}
	return nil
}
