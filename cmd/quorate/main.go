// Command quorate is a Connection Broker with a REST API: high availability
// for the Providers of virtual desktops.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/server/client"
	"github.com/quorate/quorate/server/dev"
	"github.com/quorate/quorate/server/prepare"
)

// Set by the linker, see Makefile.
var (
	version = "dev"
	commit  = "unknown"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), stopping()...)
	// A second signal ends the process at once, as if none were caught.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "quorate:", err)
		os.Exit(1)
	}
}

// stopping are the signals that end the process in good order: that its terminal
// is closed is one, unless nohup has it ignored.
func stopping() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// commands is the command line.
type commands struct {
	ShowVersion kong.VersionFlag `name:"version" env:"-" help:"Print version, commit and Go version."`

	Serve       serveCommand       `cmd:"" help:"Run one server: a Connection Broker with --site and --broker, else the REST API alone."`
	Dev         devCommand         `cmd:"" help:"Run a whole Site on this machine: etcd, vSphere simulators and brokers as processes of their own. Kill one and watch."`
	Prepare     prepareCommand     `cmd:"" help:"Make what a new Farm needs: certificates, the secret key, the root token. What is there is kept."`
	Keygen      keygenCommand      `cmd:"" help:"Make a key for --secret-key-file."`
	SecretKey   secretKeyCommand   `cmd:"" help:"Replace the key in --secret-key-file: add, promote, reseal, retire."`
	RootToken   rootTokenCommand   `cmd:"" help:"Replace the root token, for one that is lost or known to the wrong people."`
	Health      healthCommand      `cmd:"" help:"Ask a server whether it is ready; exit 1 if not."`
	Doctor      doctorCommand      `cmd:"" help:"Check settings, etcd, brokers and Providers for what usually goes wrong, and say what to do; exit 1 if something fails. Takes the settings of serve."`
	Follow      followCommand      `cmd:"" help:"Tell what happens in a Site, and why, as it happens."`
	Await       awaitCommand       `cmd:"" help:"Wait until every Provider of a Site is connected, and show them; exit 1 if they are not in time."`
	Export      exportCommand      `cmd:"" help:"Write the Farm's configuration as a document, to keep, compare or import. Speaks to etcd; no server need run."`
	Import      importCommand      `cmd:"" help:"Make the Farm's configuration what a document says. Speaks to etcd; no server need run."`
	RaiseEpochs raiseEpochsCommand `cmd:"" help:"Raise every epoch, after etcd was restored from a snapshot and before any server is started."`
	Simulator   simulatorCommand   `cmd:"" help:"Run a Provider to try things out with."`
	Version     versionCommand     `cmd:"" help:"Print version, commit and Go version."`
}

// streams is where commands write.
type streams struct{ out, err io.Writer }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var (
		line    commands
		helped  bool
		options = []kong.Option{
			kong.Name("quorate"),
			kong.Description("High availability for the Connection Brokers of virtual desktops."),
			kong.UsageOnError(),
			kong.DefaultEnvars("QUORATE"),
			kong.Vars(server.DefaultConfig().Vars()),
			kong.Vars(dev.DefaultConfig().Vars()),
			kong.Vars(prepare.DefaultConfig().Vars()),
			kong.Vars{"version": versions()},
			kong.Writers(stdout, stderr),
			kong.Exit(func(int) { helped = true }),
			kong.BindTo(ctx, (*context.Context)(nil)),
			kong.Bind(streams{stdout, stderr}),
		}
	)
	parser, err := kong.New(&line, options...)
	if err != nil {
		return err
	}
	chosen, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w\nSee quorate --help.", err)
	}
	return chosen.Run()
}

type devCommand struct {
	dev.Config `embed:""`
}

func (c *devCommand) Run(ctx context.Context, to streams) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program's file: %w", err)
	}
	// The vSphere simulator tells the standard logger of every client that is
	// killed, which is what this command is for.
	log.SetOutput(io.Discard)
	// Whoever reads the story may stop reading, as head does; what it is told of is
	// to be stopped and removed all the same. Unlike one that is ignored, a signal
	// that is caught is not inherited by the brokers.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return dev.Run(ctx, c.Config, dev.Process{Binary: binary, Stdout: to.out})
}

type keygenCommand struct {
	File string `arg:"" optional:"" help:"Where to write it; it must not exist. Default: standard output."`
}

func (c *keygenCommand) Run(to streams) error {
	if c.File == "" {
		return server.WriteSecretKey(to.out)
	}
	return server.WriteSecretKeyFile(c.File)
}

type healthCommand struct {
	URL string `arg:"" optional:"" default:"http://127.0.0.1:8080" env:"QUORATE_URL" help:"The server's base URL. SSL_CERT_FILE names the authority of its certificate, if it is not one that this machine trusts."`
}

func (c *healthCommand) Run(ctx context.Context, to streams) error {
	ready, report, err := client.Ready(ctx, c.URL)
	if err != nil {
		return err
	}
	fmt.Fprintln(to.out, report)
	if !ready {
		return errors.New("not ready")
	}
	return nil
}

type versionCommand struct{}

func (*versionCommand) Run(to streams) error {
	_, err := fmt.Fprintln(to.out, versions())
	return err
}

func versions() string {
	return fmt.Sprintf("quorate %s\ncommit  %s\ngo      %s %s/%s", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
