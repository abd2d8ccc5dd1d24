package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/client"
	"github.com/orc-project/orc/cli/output"
)

// maxJoined bounds a line that came in parts, in bytes.
const maxJoined = 1 << 20

func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with new lines"},
		&cli.StringFlag{Name: "since", Usage: "only lines since this `TIME`, or that long ago, as 10s"},
		&cli.StringFlag{Name: "until", Usage: "only lines until this `TIME`, or that long ago"},
		&cli.StringFlag{Name: "tail", Aliases: []string{"n"}, Value: "all", Usage: "begin with this `NUMBER` of last lines of each task"},
		&cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "show when each line was written"},
		&cli.BoolFlag{Name: "raw", Usage: "only what the containers wrote"},
	}
}

// logs is `orc logs`, for whatever has logs.
func (p *program) logs() *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "Show what a container, task or service wrote", ArgsUsage: "CONTAINER|TASK|SERVICE",
		Description: examples("orc logs -f web", "orc logs --tail 20 web.1", "orc logs --since 10m 4e0b5d1f3a2c"),
		Flags:       logFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			return p.printLogs(c, cl, p.logTarget)
		}),
	}
}

func (p *program) serviceLogs() *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "Show what a service's tasks, or one of them, wrote", ArgsUsage: "SERVICE|TASK",
		Description: examples("orc service logs --since 10s timecheck", "orc service logs -f --timestamps web", "orc service logs --tail 20 web.1"),
		Flags:       logFlags(),
		Action: p.with(func(c *cli.Context, cl *client.Client) error {
			return p.printLogs(c, cl, p.logTarget)
		}),
	}
}

// logTarget finds out what kind of thing the argument names: a service, else a
// task, else a container.
func (p *program) logTarget(c *cli.Context, cl *client.Client) (client.LogsQuery, error) {
	ref := c.Args().First()
	service, noService := cl.Service(c.Context, ref)
	if noService == nil {
		return client.LogsQuery{Service: service.ID}, nil
	}
	if api.CodeOf(noService) != api.CodeNotFound {
		return client.LogsQuery{}, noService
	}
	task, noTask := cl.Task(c.Context, ref)
	if noTask == nil {
		return client.LogsQuery{Task: task.ID}, nil
	}
	container, noContainer := cl.Container(c.Context, ref)
	if noContainer == nil {
		return client.LogsQuery{Container: container.ID}, nil
	}
	return client.LogsQuery{}, noneOf("service, task or container", ref, "", noService, noTask, noContainer)
}

// printLogs shows the lines of what target finds the argument to name.
func (p *program) printLogs(c *cli.Context, cl *client.Client, target func(*cli.Context, *client.Client) (client.LogsQuery, error)) error {
	if err := argCount(c, 1, 1); err != nil {
		return err
	}
	wanted, err := logQuery(c, time.Now())
	if err != nil {
		return err
	}
	query, err := target(c, cl)
	if err != nil {
		return err
	}
	query.Follow, query.Since, query.Until, query.Tail = wanted.Follow, wanted.Since, wanted.Until, wanted.Tail
	printer := logPrinter{
		out: p.Out, err: p.Err, color: p.printer(), times: c.Bool("timestamps"),
		prefix: !c.Bool("raw") && query.Container == "" && query.Task == "",
		parts:  make(map[string]string),
	}
	for line, err := range cl.Logs(c.Context, query) {
		if err != nil {
			return err
		}
		if err := printer.print(line); err != nil {
			return err
		}
	}
	return nil
}

func logQuery(c *cli.Context, now time.Time) (query client.LogsQuery, err error) {
	query.Follow = c.Bool("follow")
	if query.Since, err = instant("--since", c.String("since"), now); err != nil {
		return query, err
	}
	if query.Until, err = instant("--until", c.String("until"), now); err != nil {
		return query, err
	}
	query.Tail, err = tail(c.String("tail"))
	return query, err
}

func tail(text string) (int, error) {
	if text == "all" || text == "" {
		return -1, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 {
		return 0, usagef("--tail %q: want a number of lines, or all", text)
	}
	return number, nil
}

// instant reads a time: RFC 3339 or a part of it, seconds since 1970, or how long
// ago it was. "" is the zero time.
func instant(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 1e11 {
		return time.UnixMicro(int64(seconds * 1e6)), nil
	}
	return time.Time{}, usagef("%s %q: want a time such as 2026-01-02T15:04:05, or how long ago, as 10m", flag, text)
}

// logPrinter writes log lines: what went to stderr to stderr, each with its task
// in front, and lines that came in parts as one.
type logPrinter struct {
	out, err      io.Writer
	color         *output.Printer
	times, prefix bool
	width         int
	parts         map[string]string // of unfinished lines, by source
}

func (l *logPrinter) print(line api.LogLine) error {
	if line.Error != "" {
		// What a container prints goes through as it is; this is a node's own word.
		_, err := fmt.Fprintf(l.err, "orc: %s\n", output.OneLine(strings.TrimSpace(line.Name+" "+line.Error)))
		return err
	}
	source := line.Container + "/" + line.Stream
	text := l.parts[source] + line.Text
	if line.Partial && len(text) < maxJoined {
		l.parts[source] = text
		return nil
	}
	delete(l.parts, source)
	if l.times {
		text = line.Time.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " " + text
	}
	if l.prefix {
		name := line.Name + "@" + line.NodeName
		l.width = max(l.width, len(name))
		text = l.color.Paint(taskHue(line.Name), fmt.Sprintf("%-*s |", l.width, name)) + " " + text
	}
	to := l.out
	if line.Stream == "stderr" {
		to = l.err
	}
	_, err := fmt.Fprintln(to, text)
	return err
}

// taskHue gives each task a colour of its own, as long as there are enough.
func taskHue(name string) output.Color {
	hues := []output.Color{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}
	sum := 0
	for _, letter := range []byte(name) {
		sum = sum*31 + int(letter)
	}
	return hues[(sum%len(hues)+len(hues))%len(hues)]
}
