package cli

import (
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/node"
)

func (p *program) server() *cli.Command {
	return &cli.Command{
		Name: "server", Usage: "Run a manager, which runs containers too unless told otherwise",
		Description: examples(
			"orc server --bootstrap",
			"orc server --join 10.0.0.1:6720 --token ORC-1-…",
			"orc server --config /etc/orc/orc.yaml") +
			"\n\nA host that is a member already resumes, with or without these flags.",
		Flags:  nodeFlags(api.RoleManager),
		Action: p.runNode(api.RoleManager),
	}
}

func (p *program) agent() *cli.Command {
	return &cli.Command{
		Name: "agent", Usage: "Run a worker, which runs containers",
		Description: examples(
			"orc agent --join 10.0.0.1:6720 --token ORC-1-…",
			"orc agent --config /etc/orc/orc.yaml") +
			"\n\nA host that is a member already resumes, with or without these flags.",
		Flags:  nodeFlags(api.RoleWorker),
		Action: p.runNode(api.RoleWorker),
	}
}

// runNode serves until the process is told to end. Containers go on.
func (p *program) runNode(role api.Role) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := argCount(c, 0, 0); err != nil {
			return err
		}
		config, err := p.nodeConfig(c, role)
		if err != nil {
			return err
		}
		if err := config.Validate(); err != nil {
			return err
		}
		log, err := p.logger(config.LogLevel)
		if err != nil {
			return err
		}
		err = node.Run(c.Context, config, log)
		log.Sync() // what standard error answers to that means nothing
		return err
	}
}

// logger writes to standard error: for people on a terminal, else as JSON.
func (p *program) logger(level string) (*zap.Logger, error) {
	parsed, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, api.Invalidf("--log-level %q: want debug, info, warn or error", level)
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.ISO8601TimeEncoder
	encoder := zapcore.NewJSONEncoder(encoding)
	if private(p.Err) {
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(p.Err)), parsed)), nil
}

// private says whether out is a terminal, and so kept by nobody.
func private(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
